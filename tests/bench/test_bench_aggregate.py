import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from expunge.bench._ranking import best
from expunge.bench._results import Value
from expunge.bench._t_interval import t_interval, t_quantile
from expunge.bench.aggregate import Absent, summaries, summarise
from expunge.errors import EvidenceError
from tests.bench.made_up import cell, rate, request


def cells(method: str, values, key: str = "linear_probe", aim: str = "oracle", **fields: object):
    """One cell a seed, each of one request with one reading."""
    return [cell(method, seed, [request(1, {key: rate(value, aim)}, **fields)]) for seed, value in enumerate(values)]


class TestStudent:
    @given(st.integers(1, 400), st.floats(0.5, 0.999))
    def test_quantiles_are_scipys(self, freedom, level) -> None:
        assert t_quantile(freedom, level) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-9)

    @given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12))
    def test_intervals_are_scipys(self, values) -> None:
        mean, error = sum(values) / len(values), stats.sem(values)
        low, high = t_interval(values)
        half = stats.t.ppf(0.975, len(values) - 1) * error
        assert low == pytest.approx(mean - half, rel=1e-6, abs=1e-6)
        assert high == pytest.approx(mean + half, rel=1e-6, abs=1e-6)

    def test_refuses_what_it_cannot_do(self) -> None:
        with pytest.raises(EvidenceError, match="at least two values"):
            t_interval([1.0])
        with pytest.raises(EvidenceError, match="level between 0 and 1"):
            t_quantile(2, 1.0)


class TestEstimates:
    def test_mean_and_t_interval_over_seeds(self) -> None:
        one = summarise(cells("ewc", [10, 20, 30])).final["ewc", "linear_probe"]
        assert one.mean == 20
        # t(2 degrees, 97.5 %) = 4.303; the standard error is 10 / sqrt(3).
        assert one.high == pytest.approx(20 + 4.3027 * 10 / math.sqrt(3), abs=1e-3)
        assert one.n == 150

    def test_one_seed_keeps_the_readings_own_interval(self) -> None:
        one = summarise(cells("ewc", [40])).final["ewc", "linear_probe"]
        assert (one.mean, one.low, one.high, one.n) == (40, 35, 45, 50)

    def test_the_gap_is_taken_over_matching_seeds(self) -> None:
        found = [*cells("ewc", [50, 60, 99]), *cells("oracle-scratch", [40, 44])]
        one = summarise(found).final["ewc", "linear_probe"]
        assert one.gaps == {0: 10, 1: 16}
        assert one.gap == 13
        assert summarise(cells("ewc", [50])).final["ewc", "linear_probe"].gap is None

    def test_costs_of_the_whole_sequence(self) -> None:
        ours = cell("ewc", 0, [request(n, {}, seconds=s, peak_mb=p) for n, s, p in ((1, 2.0, 9.0), (2, 4.0, 7.0))])
        oracle = cell("oracle-scratch", 0, [request(n, {}, seconds=30.0) for n in (1, 2)])
        final = summarise([ours, oracle]).final
        got = {key: final["ewc", key].mean for key in ("seconds", "rte", "peak_mb", "edited_mb")}
        assert got == {"seconds": 3, "rte": 10, "peak_mb": 9, "edited_mb": 8}

    def test_rte_counts_the_requests_that_the_oracle_has(self) -> None:
        ours = cell("ewc", 0, [request(n, {}, seconds=float(n)) for n in (1, 2, 3)])
        oracle = cell("oracle-scratch", 0, [request(n, {}, seconds=40.0) for n in (1, 3)])
        found = summarise([ours, oracle])
        assert found.final["ewc", "rte"].mean == 80 / 4
        assert found.steps["ewc", "rte", 3].mean == pytest.approx(40 / 3)
        assert ("ewc", "rte", 2) not in found.steps
        assert not [one for one in found.absent if one.method == "oracle-scratch"]

    def test_a_method_that_takes_no_time_has_no_rte(self) -> None:
        found = summarise([*cells("original", [1], seconds=0.0), *cells("oracle-scratch", [1])])
        assert ("original", "rte") not in found.final

    def test_erosion_and_relapse(self) -> None:
        def run(method, retained, forgotten, earlier):
            rows = [
                {"acc_r": rate(r, "high"), "acc_f": rate(f), **({"acc_o": rate(o)} if o is not None else {})}
                for r, f, o in zip(retained, forgotten, earlier, strict=True)
            ]
            return cell(method, 0, [request(n, row) for n, row in enumerate(rows, start=1)])

        ours = run("ewc", (88, 80, 70), (4, 10, 0), (None, 6, 15))
        original = run("original", (90, 91, 92), (90, 90, 90), (None, 90, 90))
        steps = summarise([ours, original]).steps
        assert [steps["ewc", "erosion", n].mean for n in (1, 2, 3)] == [2, 11, 22]
        assert ("ewc", "relapse", 1) not in steps
        assert [steps["ewc", "relapse", n].mean for n in (2, 3)] == [6 - 4, 15 - (4 + 10) / 2]

    def test_relapse_of_classifiers_weighs_classes_by_their_images(self) -> None:
        """By hand: 30 images at 10 and 10 at 40 make 17.5 after their requests, whatever number of classes; 20 now."""
        first = request(1, {"acc_f": rate(10.0, n=30)}, classes=("a",))
        second = request(2, {"acc_f": rate(40.0, n=10)}, classes=("b", "c", "d"))
        third = request(3, {"acc_f": rate(0.0), "acc_o": rate(20.0, n=40)}, classes=("e", "f"))
        final = summarise([cell("ewc", 0, [first, second, third])]).final
        assert final["ewc", "relapse"].mean == pytest.approx(2.5)

    def test_anamnesis_follows_from_relearning_steps(self) -> None:
        def steps(method, count):
            reading = {"relearn_time": Value(value=count, unit="steps", n=20)}
            return cell(method, 0, [request(1, reading)])

        found = summarise([steps("ewc", 10.0), steps("oracle-scratch", 40.0)]).final
        assert found["ewc", "anamnesis_index"].mean == pytest.approx(10.01 / 40.01)
        assert found["ewc", "anamnesis_index"].gap == pytest.approx(10.01 / 40.01 - 1)
        assert found["oracle-scratch", "anamnesis_index"].mean == 1

    def test_the_index_with_rows_anew_follows_from_its_own_steps(self) -> None:
        def steps(method, count, alike):
            counts = {"relearn_time": count, "relearn_time_rows_alike": alike}
            readings = {key: Value(value=value, unit="steps", n=20) for key, value in counts.items()}
            return cell(method, 0, [request(1, readings)])

        found = summarise([steps("ewc", 10.0, 30.0), steps("oracle-scratch", 40.0, 60.0)]).final
        assert found["ewc", "anamnesis_index"].mean == pytest.approx(10.01 / 40.01)
        assert found["ewc", "anamnesis_index_rows_alike"].mean == pytest.approx(30.01 / 60.01)


class TestMissing:
    def test_holes_are_listed(self) -> None:
        short = cell("lwf", 0, [request(1, {})])
        whole = [cell("ewc", seed, [request(1, {}), request(2, {})]) for seed in (0, 1)]
        found = summarise([short, *whole], expected={"salun"})
        assert found.methods == ("original", "head-mask", "oracle-scratch", "oracle-finetune", "ewc", "lwf", "salun")
        assert [one for one in found.absent if one.method not in found.methods[:4]] == [
            Absent("lwf", 0, "ends after request 1 of 2"),
            Absent("lwf", 1, "not run"),
            Absent("salun", None, "not run"),
        ]
        assert ("lwf", "seconds") not in found.final
        assert ("lwf", "seconds", 1) in found.steps

    def test_what_ran_anywhere_is_expected_everywhere(self) -> None:
        here, there = cells("ewc", [1]), cells("lwf", [1])
        moved = [one.model_copy(update={"setting": "4-shot"}) for one in there]
        four_shot, replay = summaries([*here, *moved])
        assert (four_shot.setting, replay.setting) == ("4-shot", "replay")
        assert four_shot.rivals == replay.rivals == ("ewc", "lwf")


class TestBest:
    def rivals(self, key: str = "acc_r", aim: str = "high", /, **values):
        return summarise(
            [one for name, seen in values.items() for one in cells(name.replace("_", "-"), seen, key, aim)]
        )

    def test_the_highest_or_the_lowest_as_the_row_aims(self) -> None:
        values = {"a": [50, 51, 52], "b": [10, 11, 12], "c": [90, 91, 92]}
        assert best(self.rivals("acc_r", "high", **values), "acc_r") == {"c"}
        assert best(self.rivals("acc_f", "low", **values), "acc_f") == {"b"}
        assert best(self.rivals("idi", "context", **values), "idi") == frozenset()

    def test_a_paired_difference_decides_ties(self) -> None:
        # b is always one point below a, though their ranges overlap; c swings around a.
        found = self.rivals(a=[50, 60, 70], b=[49, 59, 69], c=[55, 58, 66])
        assert best(found, "acc_r") == {"a", "c"}

    def test_closest_to_the_oracle_from_either_side(self) -> None:
        values = {"oracle_scratch": [40, 40, 40], "a": [39, 39, 39], "b": [45, 45, 45], "c": [20, 20, 20]}
        assert best(self.rivals("linear_probe", "oracle", **values), "linear_probe") == {"a"}

    def test_without_an_oracle_nobody_is_closest_to_it(self) -> None:
        assert best(self.rivals("linear_probe", "oracle", a=[1, 2], b=[50, 51]), "linear_probe") == frozenset()

    def test_anchors_never_win(self) -> None:
        assert best(self.rivals(head_mask=[99, 99, 99], a=[50, 50, 50], b=[40, 40, 40]), "acc_r") == {"a"}

    def test_nothing_is_best_where_all_tie(self) -> None:
        assert best(self.rivals(a=[0, 0, 0], b=[0, 0, 0]), "acc_r") == frozenset()

    def test_noise_makes_no_tie(self) -> None:
        # The paired interval of b holds zero, as its seeds are far apart; its mean is 14 points off.
        assert best(self.rivals(a=[80, 81, 82], b=[40, 80, 81], c=[79, 80, 84]), "acc_r") == {"a", "c"}

    def test_one_seed_ties_where_intervals_overlap(self) -> None:
        # Each interval reaches 5 points to both sides; that of c overlaps, at eight points from the best.
        assert best(self.rivals(a=[80], b=[78.5], c=[72]), "acc_r") == {"a", "b"}

    def test_one_seed_near_the_oracle(self) -> None:
        # Distances 2 ± 5, that is 0 to 7, against 3 ± 5 and 20 ± 5.
        values = {"oracle_scratch": [40], "a": [42], "b": [37], "c": [60]}
        assert best(self.rivals("linear_probe", "oracle", **values), "linear_probe") == {"a", "b"}

    def test_fewer_seeds_are_not_compared(self) -> None:
        assert best(self.rivals(a=[80, 81, 82], b=[10, 11, 12], c=[99]), "acc_r") == {"a"}
