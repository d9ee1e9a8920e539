"""What one request on a detector is, and what a method trains on."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from expunge.data import Scene, Scenes
from expunge.vision.detection import DetectionOutput, Target


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
