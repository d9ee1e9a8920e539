"""The closed form's second version: each image towards its nearest neighbour that stays, and a short polish."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from expunge.adapters import Edit
from expunge.data import Images
from expunge.methods._neighbours import answers_among, neighbours
from expunge.methods._polish import Lesson, Polish, outputs_of
from expunge.methods._settings import Fraction
from expunge.methods._states import states_of
from expunge.methods.closed_form import ClosedForm
from expunge.tasks import ForgetTask, Progress
from expunge.tasks.classification import Context


@dataclass(frozen=True)
class ClosedFormPlusPlus(ClosedForm):
    """Forgets by the weights alone, with the class's head row in place, and strikes the row as well.

    First the closed form's solves with another target: every image goes to the mean of that retained class which it
    resembles most, and keeps what sets it apart from its own class. Then a few steps of Adam on the same weights, on
    states at hand: forget images are to be answered as the head answers this target in the embedding, with the class
    struck; retained images are held to their answers and embeddings. Images that resemble a retained class without an
    image go to the mean of all others, and are to be answered as they were, with their class struck: so that class
    keeps what is its own. See docs/explanation/closed-form.md.

    Attributes:
        rounds: Rounds of the polish at the most; 0 leaves the solves alone.
        steps: Steps of a round.
        rate: Learning rate of the polish, in parts of a weight's size; see `expunge.methods._polish.Polish`.
        batch: Forget states a step; of retained ones twice as many.
        enough: Probability that forget states may be given for classes that go when the polish ends.
        reach: How far forget states are pushed towards their classes before they are polished away: reach / √k of what
            retained states lie from their classes' means, where a class has k.
    """

    half: bool = True
    rounds: NonNegativeInt = 18
    steps: PositiveInt = 5
    rate: PositiveFloat = 0.33
    batch: PositiveInt = 64
    enough: Fraction = 0.05
    reach: NonNegativeFloat = 0.2

    name: ClassVar[str] = "closed-form++"
    summary: ClassVar[str] = (
        "move each image to the class it resembles that stays, then polish, with head rows in place"
    )

    @torch.no_grad()
    def forget(self, context: Context, task: ForgetTask[Images]) -> Edit:
        """Solves the blocks, then polishes what came out."""
        model, entry = context.model, self.first_block(context.model)
        forget, retain = states_of(context, task, self.states)
        there, here = outputs_of(model, forget, entry), outputs_of(model, retain, entry)
        gone = (*task.targets, *task.forgotten)
        near = neighbours(there.logits, retain, gone)
        moved = near.moved(there.embedding, forget, here.embedding, retain)
        innocent = model.module.get_submodule(model.head_name)(moved)
        known = (near.nearest < len(retain.classes))[:, None]
        answers = torch.where(known, answers_among(innocent, gone), answers_among(there.logits, gone))
        going = Lesson(forget, answers, moved)
        staying = Lesson(retain, answers_among(here.logits, ()), here.embedding)
        polish = Polish(self.rounds, self.steps, self.rate, self.batch, self.enough, self.reach)
        generator = torch.Generator().manual_seed(context.seed)

        def tell(step: int, loss: float) -> None:
            context.report(Progress(step, self.rounds * self.steps, f"polish, loss {loss:.2f}"))

        with self.solved(context, forget, retain, near.target) as weights:
            polish(model, entry, weights.parameters.values(), going, staying, gone, generator, tell)
            return self.edit(weights, task.targets)
