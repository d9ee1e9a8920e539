"""Head mask: the class's logit is struck out, at every query. The floor that every method must beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from expunge.adapters import Edit
from expunge.data import Scenes
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.request import ForgetTask
from expunge.vision.detection import DetectionModel


@dataclass(frozen=True)
class HeadMask:
    """Strikes the logits of the forgotten classes; no data, no training, and the queries still know everything."""

    name: ClassVar[str] = "head-mask"
    summary: ClassVar[str] = "strike the class's logit at every query: the floor every method must beat"
    source: ClassVar[str] = "folklore; the anchor of every table here"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def first_block(self, model: DetectionModel) -> int:
        """The last block: nothing below the head changes."""
        return len(model.blocks) - 1

    def forget(self, context: SceneContext, task: ForgetTask[Scenes]) -> Edit:
        """Strikes `task.targets`."""
        return Edit(masked=task.targets)
