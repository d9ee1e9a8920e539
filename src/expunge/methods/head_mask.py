"""The head mask: strike the class's logit. The anchor that every table carries, as it is hard to beat on H."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from expunge.adapters import Edit
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask
from expunge.vision import VisionModel


@dataclass(frozen=True)
class HeadMask:
    """Strikes the logits of the forgotten classes; no data, no training, and the features still know everything."""

    name: ClassVar[str] = "head-mask"
    summary: ClassVar[str] = "strike the class's logit at the head: the floor every method must beat"
    source: ClassVar[str] = "folklore; the anchor of every table here"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def first_block(self, model: VisionModel) -> int:
        """The last block: nothing below the head changes."""
        return len(model.blocks) - 1

    def forget(self, context: Context, task: ForgetTask) -> Edit:
        """Strikes `task.targets`."""
        return Edit(masked=task.targets)
