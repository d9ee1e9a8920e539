"""The committed cells can be compared with each other."""

from pathlib import Path

import pytest

from expunge.bench.consistency import mixed
from expunge.bench.load import load_cells

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


@pytest.mark.skipif(not RESULTS.exists(), reason="no results are committed yet")
def test_all_cells_of_a_suite_setting_and_seed_come_from_one_base_model() -> None:
    assert [str(one) for one in mixed(load_cells(RESULTS))] == []
