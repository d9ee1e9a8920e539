"""Consistency of the cells of one suite, setting and seed: one base model, compared with one oracle."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from expunge.bench._results import ORIGINAL, Cell, RequestResult

SAME = 0.05
"""Percentage points; what the order of additions moves is far below, one test image is far above."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """Cells of one suite, setting and seed that must not be compared with each other.

    Attributes:
        suite: The suite.
        setting: Its setting.
        seed: The seed.
        why: What they show.
    """

    suite: str
    setting: str
    seed: int
    why: str

    def __str__(self) -> str:
        return f"{self.suite}, {self.setting}, seed {self.seed}: {self.why}"


def mixed(cells: Iterable[Cell]) -> tuple[Mixed, ...]:
    """The groups of cells that come from more than one base model, or compare with more than one oracle; sorted.

    Where cells do not say what they come from, their readings do: H, Acc_r and Acc_f after a request tell what Acc_f
    was before, which is that of the original. And as a mask on the head leaves the features alone, the linear probe of
    head-mask is that of the original.
    """
    groups: dict[tuple[str, str, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.suite, cell.setting, cell.seed), []).append(cell)
    return tuple(Mixed(*group, why) for group in sorted(groups) if (why := ", ".join(_reasons(groups[group]))))


def _reasons(group: Sequence[Cell]) -> Iterator[str]:
    bases = {cell.base for cell in group}
    if len(bases - {""}) > 1:
        yield "base models of different weights"
    elif "" in bases:
        yield from _shown_by_readings(group)
    if any(len(digests) > 1 for digests in _oracles(group).values()):
        yield "oracles of different weights"


def _shown_by_readings(group: Sequence[Cell]) -> Iterator[str]:
    if others := _differ(_known_before(group)):
        yield f"the base model's Acc_f differs from that of {ORIGINAL} in {', '.join(others)}"
    elif _differ(_probes(group)):
        yield f"the linear probe of head-mask differs from that of {ORIGINAL}"


def _differ(values: Mapping[str, Mapping[int, float]]) -> list[str]:
    """The rows whose value after any request is not that of the original, sorted."""
    usual = values.get(ORIGINAL, {})
    return sorted(
        row for row, seen in values.items() if any(abs(seen[n] - usual[n]) > SAME for n in seen.keys() & usual.keys())
    )


def _known_before(group: Sequence[Cell]) -> dict[str, dict[int, float]]:
    """Row -> request -> Acc_f of the base model, in percent."""
    found: dict[str, dict[int, float]] = {}
    for cell in group:
        for request in cell.requests:
            before = _value(request, "acc_f") if cell.method == ORIGINAL else _before(request)
            if before is not None:
                found.setdefault(cell.method, {})[request.number] = before
    return found


def _before(request: RequestResult) -> float | None:
    """Solves H = 2 · Acc_r · (before - Acc_f) / (Acc_r + before - Acc_f); None where H hides it."""
    h, kept, gone = (_value(request, key) for key in ("h", "acc_r", "acc_f"))
    if kept is None or gone is None or not h or h >= 2 * kept:
        return None
    return h * kept / (2 * kept - h) + gone


def _probes(group: Sequence[Cell]) -> dict[str, dict[int, float]]:
    """The same for the linear probe, of the two rows whose features are the base model's."""
    return {
        cell.method: {
            request.number: probe for request in cell.requests if (probe := _value(request, "linear_probe")) is not None
        }
        for cell in group
        if cell.method in (ORIGINAL, "head-mask")
    }


def _oracles(group: Sequence[Cell]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for cell in group:
        for number, digest in cell.oracles.items():
            found.setdefault(number, set()).add(digest)
    return found


def _value(request: RequestResult, key: str) -> float | None:
    reading = request.readings.get(key)
    return None if reading is None else reading.value
