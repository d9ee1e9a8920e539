"""The committed cells can be compared with each other."""

from pathlib import Path

import pytest

from expunge.bench._results import ANCHORS, Cell
from expunge.bench.aggregate import summaries
from expunge.bench.consistency import mixed
from expunge.bench.load import load_cells

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"

pytestmark = pytest.mark.skipif(not RESULTS.exists(), reason="no results are committed yet")


@pytest.fixture(scope="module")
def cells() -> tuple[Cell, ...]:
    return tuple(load_cells(RESULTS))


def test_all_cells_of_a_suite_setting_and_seed_come_from_one_base_model(cells) -> None:
    assert [str(one) for one in mixed(cells)] == []


def test_whoever_passes_was_held_to_the_rules_on_the_worst_class(cells) -> None:
    """They are passed over where the row is missing. A mean of 0 needs none: then the worst class is at 0, too."""
    held = {(one.suite, one.setting, one.method, one.seed): worst_is_known(one) for one in cells}
    passed = [
        (found.suite, found.setting, method, seed)
        for found in summaries(cells)
        for method, by_seed in found.verdicts.items()
        for seed, verdict in by_seed.items()
        if verdict.outcome == "erased" and method not in ANCHORS
    ]
    assert passed
    assert [one for one in passed if not held[one]] == []


def worst_is_known(cell: Cell) -> bool:
    """Whether that of the last request, and of the earlier ones, is measured or follows from the mean."""
    last, readings = cell.requests[-1], cell.requests[-1].readings
    earlier = {name for request in cell.requests[:-1] for name in request.classes}
    several = [key for key, classes in (("acc_f", last.classes), ("acc_o", earlier)) if len(classes) > 1]
    return all(f"{key}_worst" in readings or readings[key].value == 0 for key in several)
