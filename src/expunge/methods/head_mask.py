"""The head mask: strike the class's logit. The anchor that every table carries, as it is hard to beat on H."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from expunge.adapters import Edit
from expunge.methods.protocol import EVERY_TASK
from expunge.tasks import ForgetTask
from expunge.vision import Wrapped


@dataclass(frozen=True)
class HeadMask:
    """Strikes the logits of the forgotten classes; no data, no training, and the features still know everything.

    On a detector they are struck at every query.
    """

    name: ClassVar[str] = "head-mask"
    summary: ClassVar[str] = "strike the class's logit at the head: the floor every method must beat"
    source: ClassVar[str] = "folklore; the anchor of every table here"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = EVERY_TASK

    def first_block(self, model: Wrapped) -> int:
        """The last block: nothing below the head changes."""
        return len(model.blocks) - 1

    def forget(self, context: Any, task: ForgetTask[Any]) -> Edit:
        """Strikes `task.targets`."""
        return Edit(masked=task.targets)
