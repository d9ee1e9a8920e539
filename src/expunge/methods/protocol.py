"""What every forgetting method answers to, and what it is given.

A method sees the forget images of one request, the replay of what is retained, and a validation split. It never sees
test data: there is no field for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from expunge.adapters import Edit
from expunge.memory import Memory, Prototypes
from expunge.methods import bounds
from expunge.methods.image_batches import both_batches, make_batch
from expunge.methods.judge import ImageJudge
from expunge.methods.task import Batch, ForgetTask, Objective, Progress
from expunge.vision import ActivationCache, VisionModel

__all__ = ["Batch", "Context", "ForgetTask", "Method", "Objective", "Progress", "uses_memory"]


def _silent(progress: Progress) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Context:
    """What a method works with.

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
        """Looks at the validation split now; see `expunge.methods.judge`."""
        return ImageJudge(self.activations, task, objective)

    def retain_loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The head's own loss."""
        return self.model.loss(batch.output.logits, batch.labels)

    def forget_loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The head's own loss again: what is learned for an image's label is pushed up."""
        return self.retain_loss(batch)

    def forget_bound(self) -> float:
        """BND in nats, derived from the head; see `expunge.methods.bounds`."""
        return bounds.forget_bound(self.model.head, len(self.model.classes))

    def embedded(self, batch: Batch) -> tuple[Float[Tensor, "m d"], Int[Tensor, " m"]]:
        """Embeddings and labels of the images."""
        return batch.output.embedding, batch.labels


@runtime_checkable
class Method(Protocol):
    """A forgetting method: a frozen dataclass whose fields are its settings.

    Attributes:
        name: What it is called on the command line.
        summary: One line on what it does.
        source: Paper or origin.
        presets: Named sets of settings, applied over the defaults.
        needs_prototypes: Whether `Context.prototypes` must be there.

    A method that reads `Context.memory` also says `uses_memory: ClassVar[bool] = True`. It then gets requests without
    an image of a target, too, if the memory has statistics of it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, object]]]
    needs_prototypes: ClassVar[bool]

    def first_block(self, model: VisionModel) -> int:
        """Index of the lowest block that the method may edit."""
        ...

    def forget(self, context: Context, task: ForgetTask) -> Edit:
        """Makes the edit that forgets `task.targets`. Leaves the model as it found it."""
        ...


def uses_memory(method: Method) -> bool:
    """Whether a method reads `Context.memory`."""
    return bool(getattr(method, "uses_memory", False))
