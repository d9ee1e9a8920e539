"""What every forgetting method answers to, and what it is given.

A method sees the forget images of one request, the replay of what is retained, and a validation split. It never sees
test data: there is no field for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Int
from torch import Tensor

from expunge.adapters import Edit
from expunge.data import Images, Sample
from expunge.memory import Memory, Prototypes
from expunge.vision import ActivationCache, Output, VisionModel


@dataclass(frozen=True)
class ForgetTask:
    """One request, as a method sees it.

    Attributes:
        targets: Indices of the classes to forget now.
        forgotten: Indices of the classes that earlier requests have taken.
        forget: Training images of `targets`.
        retain: Replay: training images of classes that stay; classes may be missing.
        validation: Held-out training images of `targets` and of the replayed classes; may be empty.
    """

    targets: tuple[int, ...]
    forgotten: tuple[int, ...]
    forget: Images
    retain: Images
    validation: Images


@dataclass(frozen=True, eq=False)
class Batch:
    """Images of one training step and what the model makes of them now.

    Attributes:
        samples: The images.
        labels: (n,) their classes.
        output: Embeddings and logits under the weights in training.
    """

    samples: tuple[Sample, ...]
    labels: Int[Tensor, " n"]
    output: Output


Objective = Callable[[Batch, Batch], Tensor]
"""(retain batch, forget batch) -> scalar data loss."""


@dataclass(frozen=True)
class Progress:
    """How far a method has come: `done` of `total` steps, and a word on what it is doing."""

    done: int
    total: int
    note: str = ""


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
