"""What an operator is told beside its inputs, and the bound that its result must keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from expunge.errors import OnnxFileError

MOST_NUMBERS = 2**28
"""Numbers in one result: 1 GiB in float32. A photo through a classifier needs a hundredth of it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A node's settings.

    Attributes:
        values: Name -> value; those that are left out have ONNX's defaults, which `get` is told.
        opset: Version of the operator set.
        node: Name of the node, for messages.
    """

    values: Mapping[str, Any]
    opset: int
    node: str = ""

    def get(self, name: str, default: Any) -> Any:
        """One setting, or its default."""
        return self.values.get(name, default)


def fits(*shape: int) -> None:
    """Stops before a tensor of this shape is made if it would fill the memory.

    Raises:
        OnnxFileError: It would.
    """
    count = 1
    for side in shape:
        count *= max(side, 0)
    if count > MOST_NUMBERS:
        raise OnnxFileError(
            f"the graph makes a tensor of shape {tuple(shape)}, {count:,} numbers; at most {MOST_NUMBERS:,}"
        )
