"""The default policy on made-up cells: who passes, and what stands in the way of the others."""

import pytest

from expunge.bench._results import Cell
from expunge.bench._verdicts import CellVerdict, cell_verdict, verdict_words
from expunge.bench.aggregate import summarise
from expunge.bench.tables import sequence_table
from tests.bench.made_up import cell, rate, request


def made(method: str, probe: float, *, acc_f: float = 0.0, acc_r: float = 90.0, seed: int = 0, **fields) -> Cell:
    """Two requests, alike but for their numbers."""
    readings = {
        "acc_f": rate(acc_f),
        "acc_r": rate(acc_r, "high"),
        "h": rate(80.0, "high"),
        "linear_probe": rate(probe, "oracle"),
    }
    return cell(method, seed, [request(1, readings), request(2, readings)], **fields)


@pytest.fixture
def peers() -> dict[str, Cell]:
    """An original that knows the class, and an oracle whose features read 40 % of it."""
    return {"original": made("original", 85.0, acc_f=90.0), "oracle-scratch": made("oracle-scratch", 40.0)}


class TestJudged:
    def test_near_the_oracle_and_unharmed_passes(self, peers) -> None:
        assert cell_verdict(made("ewc", 48.0), peers) == CellVerdict("erased", ())

    def test_rules_that_fail_are_named(self, peers) -> None:
        assert cell_verdict(made("ewc", 60.0), peers) == CellVerdict("not_erased", ("linear_probe",))
        assert cell_verdict(made("ewc", 45.0, acc_r=80.0), peers) == CellVerdict("harm_too_large", ("acc_r",))
        assert cell_verdict(made("ewc", 60.0, acc_f=30.0), peers) == CellVerdict(
            "not_erased", ("acc_f", "linear_probe")
        )

    def test_what_leaves_it_open_is_named_where_nothing_failed(self, peers) -> None:
        few = {"acc_f": rate(0.0, n=3), "acc_r": rate(90.0, "high"), "linear_probe": rate(45.0, "oracle")}
        assert cell_verdict(cell("ewc", 0, [request(2, few)]), peers) == CellVerdict("not_enough_evidence", ("acc_f",))

    def test_only_with_both_anchors_after_the_same_request(self, peers) -> None:
        assert cell_verdict(made("ewc", 45.0), {"original": peers["original"]}) is None
        assert cell_verdict(made("ewc", 45.0), {"oracle-scratch": peers["oracle-scratch"]}) is None
        early = peers["oracle-scratch"].model_copy(update={"requests": peers["oracle-scratch"].requests[:1]})
        assert cell_verdict(made("ewc", 45.0), {**peers, "oracle-scratch": early}) is None

    def test_detectors_have_a_policy_of_their_own(self) -> None:
        """It asks for 16 objects behind AP50_f, where five images are enough of classifiers."""
        for task, outcome in (("classification", "erased"), ("detection", "not_enough_evidence")):
            anchors = {name: made(name, 40.0, acc_f=0.0, task=task) for name in ("original", "oracle-scratch")}
            ten = {"acc_f": rate(0.0, n=10), "acc_r": rate(90.0, "high"), "linear_probe": rate(45.0, "oracle")}
            found = cell_verdict(cell("ewc", 0, [request(2, ten)], task=task), anchors)
            assert found is not None
            assert found.outcome == outcome


class TestTold:
    def test_counts_and_reasons(self) -> None:
        by_seed = {
            0: CellVerdict("erased", ()),
            1: CellVerdict("not_erased", ("cmia_auc", "linear_probe")),
            2: CellVerdict("not_erased", ("cmia_auc",)),
        }
        assert verdict_words(by_seed, {"cmia_auc": "CMIA"}) == "1 of 3 (CMIA alone 1, CMIA 1, linear_probe 1)"
        assert verdict_words({0: CellVerdict("erased", ())}, {}) == "1 of 1"

    def test_the_table_of_the_sequence_shows_it(self, peers) -> None:
        cells = [*peers.values(), made("ewc", 45.0), made("lwf", 70.0)]
        table = sequence_table(summarise(cells))
        ends = {line.split("|")[1].strip(): line.split("|")[-2].strip() for line in table.splitlines()}
        assert ends["ewc"] == ends["oracle-scratch"] == "1 of 1"
        assert ends["lwf"] == "0 of 1 (linear probe alone 1)"
