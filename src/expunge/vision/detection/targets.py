"""Targets of a detector, in its own coordinates."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.data import Scene, Scenes
from expunge.errors import DetectionError
from expunge.vision.detection.boxes import to_centres
from expunge.vision.detection.output import DetectionOutput


@dataclass(frozen=True, slots=True)
class Target:
    """The objects of one image; there may be none.

    Attributes:
        labels: Their classes.
        boxes: Centre x, centre y, width and height as shares of the image's width and height.
    """

    labels: Int[Tensor, "k"]
    boxes: Float[Tensor, "k 4"]

    def __len__(self) -> int:
        return len(self.labels)


def target_of(scene: Scene) -> Target:
    """The objects of a scene; groups are no targets."""
    labels = torch.tensor([box.label for box in scene.boxes], dtype=torch.int64)
    corners = torch.tensor([box.corners for box in scene.boxes], dtype=torch.float64).view(-1, 4)
    size = torch.tensor([scene.width, scene.height] * 2, dtype=torch.float64)
    return Target(labels, to_centres(corners / size).float())


def targets_of(scenes: Scenes, indices: Iterable[int] | None = None) -> tuple[Target, ...]:
    """The objects of the scenes at `indices`, or of all of them."""
    chosen = scenes if indices is None else scenes.select(indices)
    return tuple(target_of(scene) for scene in chosen.scenes)


def check_targets(output: DetectionOutput, targets: tuple[Target, ...]) -> None:
    """Makes sure that targets are those of an output's images.

    Raises:
        DetectionError: There are more or fewer of them than images, or a label is no class of the model.
    """
    if len(targets) != len(output):
        raise DetectionError(
            f"{len(targets)} targets came for {len(output)} images: give one an image, empty if need be"
        )
    classes = output.class_logits.shape[-1]
    for position, target in enumerate(targets):
        if len(target) and not 0 <= int(target.labels.min()) <= int(target.labels.max()) < classes:
            raise DetectionError(
                f"target {position} has labels from {int(target.labels.min())} to {int(target.labels.max())}; the "
                f"detector has classes 0 to {classes - 1}: bring the data's classes into the model's order"
            )
