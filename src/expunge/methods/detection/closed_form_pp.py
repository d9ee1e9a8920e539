"""The closed form's second version for detectors: forgotten by the weights alone, with the class's row in its place."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from expunge.adapters import Edit, Tuned
from expunge.data import Scenes
from expunge.methods.detection._scene_polish import Going, Staying, going, said_of, staying
from expunge.methods.detection.closed_form import ClosedForm
from expunge.tasks import ForgetTask, Progress
from expunge.tasks.detection import SceneContext


@dataclass(frozen=True)
class ClosedFormPlusPlus(ClosedForm):
    """The closed form's solve, then a short polish of the same weights against the class's own row.

    The solve takes the class out of the features, as far as others that stand near it do not need them; enough is left
    for the original's row to tell the class's objects from others by order. The polish takes that: some steps of Adam,
    the rate falling to 0, on states at the lowest edited block, with three terms: the row says of the class's objects
    what it says of others; their features stay where the solve has put them; all queries of scenes that stay are given
    to the classifier as before. The row is struck all the same.

    Attributes:
        steps: Steps of the polish; 0 leaves the closed form.
        rate: Adam's rate at the start.
        size: Scenes of each kind in a step.
        margin: How far below what it says of others the row is to say of the class's objects, in units of how far it
            stood above.
        hold: What holding the features of the class's objects counts, beside 1 for the row.
        keep: What keeping scenes that stay counts.
    """

    name: ClassVar[str] = "closed-form++"
    summary: ClassVar[str] = "the closed form, then a short polish until the class's own row tells nothing any more"

    steps: NonNegativeInt = 60
    rate: PositiveFloat = 3e-3
    size: PositiveInt = 12
    margin: NonNegativeFloat = 0.3
    hold: NonNegativeFloat = 0.3
    keep: NonNegativeFloat = 1.0

    def forget(self, context: SceneContext, task: ForgetTask[Scenes]) -> Edit:
        """Solves, polishes, and strikes the rows.

        Raises:
            MethodError: There is no scene, or no box, of what is forgotten or of what stays.
            MissingExtraError: scipy is not installed.
        """
        model = context.model
        with torch.no_grad():
            forget, retain = self.states(context, task)
        before, others = said_of(model, forget), said_of(model, retain)
        with self.solved(context, task, forget, retain) as weights:
            goal = going(forget, before, said_of(model, forget), others, self.margin)
            rest = staying(retain, others, self.background)
            self._polish(context, weights, goal, rest, float(others.object_features.var(dim=0, correction=0).mean()))
            with torch.no_grad():
                return self.edit(weights, task.targets)

    @torch.enable_grad()
    def _polish(self, context: SceneContext, weights: Tuned, goal: Going, rest: Staying, spread: float) -> None:
        """Some steps of Adam; features are off in units of their variance over objects that stay."""
        generator = torch.Generator().manual_seed(context.seed + 1)
        optimizer = torch.optim.Adam(weights.parameters.values(), lr=self.rate)
        for step in range(self.steps):
            for group in optimizer.param_groups:
                group["lr"] = self.rate * (1 - step / self.steps)
            gone, kept = (
                torch.randperm(len(states), generator=generator)[: self.size] for states in (goal.states, rest.states)
            )
            hidden = torch.cat([goal.states.hidden[gone], rest.states.hidden[kept]])
            output = context.model.resume(hidden, goal.states.entry)
            row, moved = goal.losses(gone, output.features[: len(gone)], output.logits[: len(gone)])
            lost = rest.loss(kept, output.features[len(gone) :])
            optimizer.zero_grad()
            (row + (self.hold * moved + self.keep * lost) / max(spread, 1e-12)).backward()
            optimizer.step()
            context.report(Progress(step + 1, self.steps, "polished"))
