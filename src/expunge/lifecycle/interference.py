"""Edits that change the same blocks: what was measured of a later one may not hold once an earlier one is gone."""

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.adapters import Edit
from expunge.lifecycle.applied import AppliedEdit


@dataclass(frozen=True, slots=True)
class Interference:
    """Two edits that share blocks.

    Attributes:
        request: A request of the later edit, which was made on top of the earlier one.
        earlier: A request of the earlier edit.
        blocks: Names of the blocks that both change.
    """

    request: str
    earlier: str
    blocks: tuple[str, ...]


def interference(edit: AppliedEdit, others: Sequence[AppliedEdit], blocks: Sequence[str]) -> tuple[Interference, ...]:
    """Later edits that change blocks which `edit` changes.

    Args:
        edit: The earlier edit.
        others: Edits to hold against it, in any order.
        blocks: Names of the model's blocks.
    """
    mine = _changed(edit.edit, blocks)
    found = ((one, tuple(name for name in _changed(one.edit, blocks) if name in mine)) for one in others)
    return tuple(
        Interference(one.requests[0], edit.requests[0], names) for one, names in found if names and one.seq > edit.seq
    )


def overlaps(edits: Sequence[AppliedEdit], blocks: Sequence[str]) -> tuple[Interference, ...]:
    """All pairs of edits that share blocks."""
    return tuple(pair for edit in edits for pair in interference(edit, edits, blocks))


def _changed(edit: Edit, blocks: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in blocks if any(tensor.startswith(f"{name}.") for tensor in edit.touched))
