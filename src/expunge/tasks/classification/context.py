"""Context of a method on a classifier: images, and what the model makes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from expunge.memory import Memory, Prototypes
from expunge.tasks.classification import bounds
from expunge.tasks.classification._judge import ImageJudge
from expunge.tasks.classification.batches import Batch, Objective, both_batches, make_batch
from expunge.tasks.classification.teacher import Teacher
from expunge.tasks.request import ForgetTask, Progress
from expunge.vision import ActivationCache, VisionModel


def _silent(progress: Progress) -> None:
    """Reports no progress."""


@dataclass(frozen=True)
class Context:
    """Context of a method.

    Attributes:
        model: The model as earlier edits left it.
        activations: Hidden states of images, valid from the method's own `first_block` on.
        prototypes: Class means under the original model; None for a method that `needs_prototypes` not.
        seed: Seeds every random choice of the method.
        report: Called now and then with the progress.
        memory: Statistics of classes that were not forgotten before this request, those of its targets among them, in
            place of images; None if none are kept. Its states enter the original model, at `memory.entry`, which is
            not above the method's `first_block`. For methods that say `uses_memory`.
    """

    model: VisionModel
    activations: ActivationCache
    prototypes: Prototypes | None = None
    seed: int = 0
    report: Callable[[Progress], None] = _silent
    memory: Memory | None = None

    def batches(self, task: ForgetTask, retain: Sequence[int], forget: Sequence[int]) -> tuple[Batch, Batch]:
        """Runs some of the replay and some of the forget images in one forward pass, under the caller's grad mode."""
        return both_batches(self.activations, task.retain, retain, task.forget, forget)

    def replayed(self, task: ForgetTask, indices: Sequence[int]) -> Batch:
        """Runs some of the replay alone, under the caller's grad mode."""
        return make_batch(task.retain, indices, self.activations.output(task.retain, indices))

    def judge(self, task: ForgetTask, objective: Objective) -> ImageJudge:
        """Looks at the validation split now; see `expunge.tasks.classification._judge`."""
        return ImageJudge(self.activations, task, objective)

    def teacher(self, task: ForgetTask) -> Teacher:
        """What the model makes of the request's images now; see `expunge.tasks.classification.teacher`."""
        return Teacher(self.activations, task)

    def retain_loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The head's own loss."""
        return self.model.loss(batch.output.logits, batch.labels)

    def forget_loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The head's own loss again: what is learned for an image's label is pushed up."""
        return self.retain_loss(batch)

    def forget_bound(self) -> float:
        """BND in nats, derived from the head; see `expunge.tasks.classification.bounds`."""
        return bounds.forget_bound(self.model.head, len(self.model.classes))

    def embedded(self, batch: Batch) -> tuple[Float[Tensor, "m d"], Int[Tensor, " m"]]:
        """Embeddings and labels of the images."""
        return batch.output.embedding, batch.labels
