"""The table of docs/how-to/strangers.md is what the code computes."""

import re
from pathlib import Path

import pytest

from expunge.evidence.strangers._conformal import least_p, strangers_needed
from expunge.evidence.strangers.beside import LEVEL

PAGE = Path(__file__).parents[2] / "docs/how-to/strangers.md"


def cells(beginning: str) -> list[str]:
    """The cells of the table's row with that heading."""
    (line,) = (line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {beginning}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_how_many_are_needed() -> None:
    forgotten = [int(cell) for cell in cells("forgotten classes")]
    needed = [int(cell) for cell in cells("fewest strangers")]
    assert forgotten == [1, 2, 3, 5, 10, 20]
    assert needed == [strangers_needed(one, LEVEL) for one in forgotten]
    rarest = [float(re.fullmatch(r"1 in (\d+)", cell)[1]) for cell in cells("how rare")]  # pyright: ignore[reportOptionalSubscript]
    assert [1 / p for p in map(least_p, forgotten, needed)] == pytest.approx(rarest)
