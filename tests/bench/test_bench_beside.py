"""Verdicts by strangers beside verdicts by the oracle, on made-up cells; and a bench that has strangers."""

from dataclasses import replace

import pytest

from expunge.bench._bench import Bench
from expunge.bench._benches import make_bench
from expunge.bench._derived import Peers
from expunge.bench._results import Cell, Value
from expunge.bench._verdict_table import agreement, verdict_table
from expunge.bench._verdicts import VerdictPair, verdict_pair
from expunge.bench.aggregate import summarise
from expunge.bench.suite import Suite, find_suite
from expunge.bench.suites._innocence import MEASURES
from expunge.errors import EvidenceError
from expunge.evidence import Case, make_measure, measure_names
from expunge.zoo.glyphs.data import glyph_strangers
from tests.bench.made_up import cell, rate, request


def p(value: float) -> Value:
    return Value(value=value, unit="1", n=38, aim="high")


def made(
    method: str, probe: float, known: float | None, hole: float = 0.5, *, ten: float = 70.0, seed: int = 0
) -> Cell:
    """One request after which everything is gone but what features know."""
    readings = {
        "acc_f": rate(90.0 if method == "original" else 0.0),
        "acc_r": rate(90.0, "high"),
        "rows_in_place_acc_f": rate(90.0 if method == "original" else 0.0),
        "linear_probe": rate(probe, "oracle"),
        "prototype_relearning_10": rate(ten, "oracle"),
    }
    strange = {} if known is None else {"strangers_known_p": p(known), "strangers_hole_p": p(hole)}
    return cell(method, seed, [request(1, {**readings, **strange})])


def both(cell: Cell, peers: Peers) -> VerdictPair:
    found = verdict_pair(cell, peers)
    assert found is not None
    return found


@pytest.fixture
def peers() -> dict[str, Cell]:
    return {"original": made("original", 90.0, 0.001), "oracle-scratch": made("oracle-scratch", 70.0, 0.4)}


class TestBothVerdicts:
    def test_both_say_that_it_is_as_never_seen(self, peers) -> None:
        found = both(made("ewc", 75.0, 0.3), peers)
        assert (found.by_oracle, found.by_strangers, found.whole.outcome) == ("innocent", "innocent", "erased")
        assert (found.known_p, found.hole_p) == (0.3, 0.5)

    def test_each_sees_what_is_known_and_what_is_a_hole_by_its_own_rows(self, peers) -> None:
        known = both(made("ewc", 85.0, 0.3), peers)
        assert (known.by_oracle, known.by_strangers) == ("known", "innocent")
        told = both(made("ewc", 75.0, 0.01), peers)
        assert (told.by_oracle, told.by_strangers) == ("innocent", "known")
        hole = both(made("ewc", 75.0, 0.3, 0.01, ten=50.0), peers)
        assert (hole.by_oracle, hole.by_strangers, hole.whole.outcome) == ("hole", "hole", "hole_shows")

    def test_strangers_beside_whom_the_original_does_not_stand_out_say_nothing(self, peers) -> None:
        blind = {**peers, "original": made("original", 90.0, 0.6)}
        found = both(made("ewc", 75.0, 0.3), blind)
        assert (found.by_oracle, found.by_strangers, found.whole.outcome) == ("innocent", "open", "not_enough_evidence")

    def test_a_cell_without_the_row_is_open(self, peers) -> None:
        found = both(made("ewc", 75.0, None), peers)
        assert (found.by_strangers, found.known_p) == ("open", None)

    def test_nothing_is_said_without_strangers_or_an_anchor(self, peers) -> None:
        assert verdict_pair(made("ewc", 75.0, 0.3), {**peers, "original": made("original", 90.0, None)}) is None
        assert verdict_pair(made("ewc", 75.0, 0.3), {"original": peers["original"]}) is None

    def test_the_table_sets_them_beside_each_other(self, peers) -> None:
        rows = [made("ewc", 75.0, 0.3), made("lwf", 85.0, 0.002), made("l2", 75.0, 0.01)]
        summary = summarise([*peers.values(), *rows])
        lines = {
            line.split("|")[1].strip(): [part.strip() for part in line.split("|")[2:-1]]
            for line in verdict_table(summary).splitlines()
        }
        assert lines["ewc"][:4] == ["as never seen", "as never seen", "0.3", "0.5"]
        assert lines["lwf"][:3] == ["still known", "still known", "0.002"]
        assert lines["l2"][:2] == ["as never seen", "still known"]
        assert lines["ewc"][4:] == ["1 of 1", "1 of 1"]
        assert lines["l2"][4].startswith("1 of 1")
        assert lines["l2"][5].startswith("0 of 1")
        assert agreement(summary) == "The two say the same of 4 of 5 cells."

    def test_a_suite_without_strangers_has_no_table(self) -> None:
        summary = summarise([made("original", 90.0, None), made("oracle-scratch", 70.0, None)])
        assert verdict_table(summary) == agreement(summary) == ""


def suite_of(name: str, *, quick: bool = False) -> Suite:
    found = find_suite(name, quick=quick)
    assert isinstance(found, Suite)
    return found


@pytest.fixture(scope="module")
def suite() -> Suite:
    """The tiny glyphs among strangers, with the untouched model as its own oracle: no oracle is tried here."""
    quick = suite_of("glyphs-strangers", quick=True)
    return replace(quick, train=lambda images, seed, start: quick.base())


@pytest.fixture(scope="module")
def bench(suite, tmp_path_factory) -> Bench:
    return make_bench(suite, "replay-10", 0, tmp_path_factory.mktemp("stand") / "models", suite.load())


@pytest.fixture(scope="module")
def case(bench) -> Case:
    """The untouched model after the last request."""
    return bench.case(2, bench.original)


class TestStand:
    def test_measures_that_a_suite_takes_are_installed(self) -> None:
        assert set(MEASURES) <= set(measure_names())

    def test_forgotten_classes_stand_beside_strangers(self, case) -> None:
        assert len(case.beside.forgotten) == 40
        assert case.beside.strangers == 38
        assert case.beside.images == (12, 6)

    def test_nobody_looks_before_the_checkpoint(self, bench) -> None:
        assert bench.case(1, bench.original).beside is None

    def test_the_untouched_model_is_told_from_one_that_never_saw_them(self, suite, case) -> None:
        assert "strangers" in suite.measures()
        readings = {one.key: one for one in make_measure("strangers").measure(case)}
        assert readings["strangers_known_p"].value <= 0.05
        assert readings["strangers_known_p"].n == 38
        assert readings["beside_prototype_relearning_1"].value > 50
        assert readings["relative_features"].value < 0, "it is nearer to itself"

    def test_strangers_that_the_model_knows_are_refused(self, suite, tmp_path) -> None:
        wrong = make_bench(replace(suite, strangers=suite.load), "replay-10", 0, tmp_path / "models", suite.load())
        with pytest.raises(EvidenceError, match="never saw, but 'U\\+0021' is one of its classes"):
            wrong.strange  # noqa: B018 - asking is what is tried

    def test_the_key_of_a_cell_names_the_strangers(self, suite) -> None:
        assert suite.decides()["strangers"] == glyph_strangers().classes
        assert "strangers" not in replace(suite, strangers=None).decides()

    def test_models_are_those_of_the_suite_without_strangers(self, suite, tmp_path) -> None:
        whole, strange = suite_of("glyphs"), suite_of("glyphs-strangers")
        stores = [make_bench(one, "replay-10", 1, tmp_path, one.load()).store for one in (whole, strange)]
        assert len({store.key("base", (), 1) for store in stores}) == 1
        assert len({store.key("oracle-scratch", (1, 2), 1) for store in stores}) == 1


def test_faces_are_parted_into_known_and_strange() -> None:
    whole = suite_of("faces-strangers")
    known = {person for request in whole.requests for person in request}
    assert len(known) == 15
    assert known <= set(whole.load().classes)
    assert whole.strangers is not None
    assert not set(whole.load().classes) & set(whole.strangers().classes)
