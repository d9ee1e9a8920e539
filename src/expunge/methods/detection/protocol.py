"""What every method that makes a detector forget answers to, and what it is given.

The twin of `expunge.methods.protocol`: scenes with boxes in place of images with one label, and queries matched with
objects in place of embeddings. Test scenes never come near.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor

from expunge.adapters import Edit
from expunge.data import Scene, Scenes
from expunge.memory import Prototypes
from expunge.methods.protocol import Progress
from expunge.vision.detection import DetectionModel, DetectionOutput, Target
from expunge.vision.scene_states import SceneCache


def _silent(progress: Progress) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class SceneTask:
    """One request, as a method sees it.

    One picture may be in both sets, with other boxes each time: what stays behind without a box is background.

    Attributes:
        targets: Indices of the classes to forget now.
        forgotten: Indices of the classes that earlier requests have taken.
        forget: Training scenes in which objects of `targets` are, with their boxes alone.
        retain: Replay: training scenes with the boxes of classes that stay; some may hold no box.
        validation: Held-out scenes with the boxes of `targets` and of classes that stay; may be empty.
    """

    targets: tuple[int, ...]
    forgotten: tuple[int, ...]
    forget: Scenes
    retain: Scenes
    validation: Scenes


@dataclass(frozen=True, eq=False)
class SceneBatch:
    """Scenes of one training step and what the detector makes of them now.

    Attributes:
        scenes: The scenes.
        targets: Their objects.
        output: Queries under the weights in training.
    """

    scenes: tuple[Scene, ...]
    targets: tuple[Target, ...]
    output: DetectionOutput


SceneObjective = Callable[[SceneBatch, SceneBatch], Tensor]
"""(retain batch, forget batch) -> scalar data loss."""


@dataclass(frozen=True)
class SceneContext:
    """What a method works with.

    Attributes:
        model: The detector as earlier edits left it.
        activations: What passes the cut below the method's own `first_block`, kept per picture.
        prototypes: Mean features of the classes' matched queries under the original detector; None for a method that
            `needs_prototypes` not.
        seed: Seeds every random choice of the method.
        report: Called now and then with the progress.
    """

    model: DetectionModel
    activations: SceneCache
    prototypes: Prototypes | None = None
    seed: int = 0
    report: Callable[[Progress], None] = _silent


@runtime_checkable
class DetectionMethod(Protocol):
    """A forgetting method for detectors: a frozen dataclass whose fields are its settings.

    Attributes:
        name: What it is called on the command line; the same name as its twin for classifiers, if there is one.
        summary: One line on what it does.
        source: Paper or origin.
        presets: Named sets of settings, applied over the defaults.
        needs_prototypes: Whether `SceneContext.prototypes` must be there.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, object]]]
    needs_prototypes: ClassVar[bool]

    def first_block(self, model: DetectionModel) -> int:
        """Index of the lowest block that the method may edit."""
        ...

    def forget(self, context: SceneContext, task: SceneTask) -> Edit:
        """Makes the edit that forgets `task.targets`. Leaves the detector as it found it."""
        ...
