"""SCRUB: a student that obeys its teacher on what stays and disobeys it on what goes, in turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional

from expunge.adapters import Tuned
from expunge.data import Images
from expunge.methods._settings import Fraction
from expunge.methods.fine_tuning import FineTuning
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Batch, Context, Objective

FOLLOW_RATE = 0.1
"""Rate at which the moving average follows the weights at an update, as in the GS-LoRA papers' released code."""
FOLLOWS = 10
"""Updates of the moving average in a training: once a super-epoch of that code, which has ten.

There the first update copies the weights (torch's `AveragedModel` does); here it moves a tenth like all others.
"""


@dataclass(frozen=True)
class SCRUB(FineTuning):
    """Max steps on -β · KL_forget and min steps on α · KL_retain + γ · L_retain; KL(teacher ‖ student).

    The teacher is the model before the request. The paper alternates whole passes over the two sets; under a budget of
    steps we alternate single steps by default, so that ascent never runs far ahead of its repair. Max steps end at
    `max_fraction` of the training, and only min steps follow, as in the paper. The state is chosen on the validation
    split like everybody's, which stands in for the paper's "rewind".

    The preset "published" holds α and the learning rate of the GS-LoRA papers' released code, whose β, γ and T are our
    defaults. The rest of that recipe is not in it: Adam with a weight decay of 5e-4, whole passes in turn, ten
    super-epochs of ten passes.

    Attributes:
        beta: Weight of the divergence on forget images, without a bound; 1 in the paper.
        distil: α, weight of the divergence on retain images.
        classify: γ, weight of the loss on retain images.
        temperature: T of both divergences; logits are divided by it, the divergence multiplied by its square.
        turn: Steps of one kind in a row while the kinds alternate.
        max_fraction: Fraction of the training in which max steps take place; after that nothing but repair. In the
            GS-LoRA papers' code they fill the first five of the ten passes of every super-epoch, so they go on, with
            repair in between, until 95 % of the training.
        smoothing: Weight of Σ ‖θ - θ̄‖₂ over parameter tensors, θ̄ a moving average of the weights; 0 in SCRUB.
    """

    beta: float = 1.0
    distil: NonNegativeFloat = 0.5
    classify: NonNegativeFloat = 0.99
    temperature: PositiveFloat = 2.0
    turn: PositiveInt = 1
    max_fraction: Fraction = 0.5
    smoothing: NonNegativeFloat = 0.0

    name: ClassVar[str] = "scrub"
    summary: ClassVar[str] = "in turns, diverge from the teacher on forget images and follow it on retained ones"
    source: ClassVar[str] = "Kurmanji et al., NeurIPS 2023, arXiv 2302.09880"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"published": {"distil": 0.001, "lr": 1e-4}}
    needs_prototypes: ClassVar[bool] = False

    def objective(
        self, context: Context, task: ForgetTask[Images], weights: Tuned, turns: "Turns | None" = None
    ) -> Objective:
        """The whole objective; with `turns`, only the part whose turn it is has a gradient, and the value is the same.

        So the validation split judges both parts, whatever step it is looked at after.
        """
        model, teacher = context.model, context.teacher(task)

        def divergence(batch: Batch) -> Tensor:
            return distillation(batch.output.logits, teacher.output(batch).logits, self.temperature)

        def loss(retain: Batch, forget: Batch) -> Tensor:
            classified = model.loss(retain.output.logits, retain.labels)
            kept = self.distil * divergence(retain) + self.classify * classified
            pushed = -self.beta * divergence(forget)
            if turns is None:
                return kept + pushed
            return kept.detach() + pushed if turns.maximising else kept + pushed.detach()

        return loss

    def train(self, context: Context, task: ForgetTask[Images], weights: Tuned) -> None:
        """Trains the blocks in turns."""
        parameters = list(weights.parameters.values())
        turns = Turns(self.turn, self.max_fraction)
        follower = Follower(parameters)

        def penalty(done: float) -> Tensor | None:
            return self.smoothing * follower.distance() if self.smoothing else None

        def after_step(done: float, lr: float) -> None:
            turns.advance(done)
            if self.smoothing:
                follower.follow(done)

        objective = self.objective(context, task, weights, turns)
        self.fit(context, task, parameters, objective, penalty=penalty, after_step=after_step)


class Turns:
    """Turns of a training: max steps and min steps alternate, max first, until a fraction of the training is over."""

    def __init__(self, length: int, max_fraction: float):
        """Turns of `length` steps; no max step once `max_fraction` of the training is done."""
        self._length = length
        self._max_fraction = max_fraction
        self._steps = 0
        self._done = 0.0

    @property
    def maximising(self) -> bool:
        """Whether the step at hand is a max step."""
        return self._done < self._max_fraction and self._steps // self._length % 2 == 0

    def advance(self, done: float) -> None:
        """Notes that a step is over and which fraction of the training lies behind."""
        self._steps += 1
        self._done = done


class Follower:
    """A moving average of the weights that follows them slowly, and the distance of the weights from it."""

    def __init__(self, parameters: Sequence[Tensor]):
        """Starts where the weights are."""
        self._parameters = parameters
        self._average = [p.detach().clone() for p in parameters]
        self._updates = 0

    def distance(self) -> Float[Tensor, ""]:
        """Sum over tensors of the Euclidean distance to the average, with a gradient to the weights."""
        pairs = zip(self._parameters, self._average, strict=True)
        return torch.stack([torch.linalg.vector_norm(p - average) for p, average in pairs]).sum()

    @torch.no_grad()
    def follow(self, done: float) -> None:
        """Moves the average towards the weights each time another tenth of the training is done."""
        if int(done * FOLLOWS) <= self._updates:
            return
        self._updates = int(done * FOLLOWS)
        for parameter, average in zip(self._parameters, self._average, strict=True):
            average.lerp_(parameter, FOLLOW_RATE)


def distillation(
    student: Float[Tensor, "n c"], teacher: Float[Tensor, "n c"], temperature: float = 1.0
) -> Float[Tensor, ""]:
    """Mean over images of `T² · KL(softmax(teacher / T) ‖ softmax(student / T))` (Hinton et al., arXiv 1503.02531).

    Args:
        student: Logits with a gradient.
        teacher: Logits to compare with; entries of -inf have probability zero.
        temperature: T.

    Returns:
        The divergence in nats, times T².
    """
    log_student = functional.log_softmax(student / temperature, dim=1)
    target = functional.softmax(teacher / temperature, dim=1)
    return temperature**2 * functional.kl_div(log_student, target, reduction="batchmean")
