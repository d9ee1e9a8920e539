import csv
import io

import pytest

from expunge.bench._columns import columns, figure, signed
from expunge.bench._results import Value
from expunge.bench.aggregate import summaries, summarise
from expunge.bench.tables import FIELDS, also_table, as_csv, as_markdown, legend, main_table, sequence_table, sizes
from tests.bench.made_up import METHODS, cell, likely, rate, request


def row(table: str, method: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {method} |")]
    return [text.strip() for text in line.split("|")[2:-1]]


def one_request(method: str, seed: int, acc_f: float, probe: float):
    return cell(method, seed, [request(1, {"acc_f": rate(acc_f), "linear_probe": rate(probe, "oracle")})])


@pytest.fixture(scope="module")
def summary():
    values = {
        "original": ((80, 90), (80, 92)),
        "oracle-scratch": ((0, 40), (0, 42)),
        "good": ((2, 44), (4, 46)),
        "bad": ((30, 80), (33, 82.5)),
    }
    return summarise([one_request(m, seed, *pair) for m, pairs in values.items() for seed, pair in enumerate(pairs)])


class TestMainTable:
    def test_anchors_first_then_methods_by_name(self, summary) -> None:
        lines = main_table(summary).splitlines()[2:]
        names = [line.split("|")[1].strip() for line in lines]
        assert names == ["original", "head-mask", "oracle-scratch", "oracle-finetune", "bad", "good"]

    def test_only_columns_that_exist(self, summary) -> None:
        heading = main_table(summary).splitlines()[0]
        wanted = ["method", "Acc_f", "linear probe", "seconds", "RTE", "peak MB", "edited MB"]
        assert [text.strip() for text in heading.split("|")[1:-1]] == wanted

    def test_mean_half_width_gap_and_bold(self, summary) -> None:
        # Two seeds: t = 12.706, standard error 1, so the half-width is 12.7; both probes lie 4 above the oracle.
        acc_f, probe, *_ = row(main_table(summary), "good")
        assert acc_f == "**3.0** ± 12.7"
        assert probe == "**45.0** ± 12.7 (+4.0)"
        assert row(main_table(summary), "bad")[1].startswith("81.2 ± ")

    def test_what_was_not_run_keeps_its_row(self, summary) -> None:
        assert set(row(main_table(summary), "head-mask")) == {"–"}

    def test_one_seed_shows_the_readings_interval(self) -> None:
        found = summarise([one_request("ewc", 0, 10, 50), one_request("oracle-scratch", 0, 0, 60)])
        assert row(main_table(found), "ewc")[:2] == ["10.0 [5.0 to 15.0]", "50.0 [45.0 to 55.0] (−10.0)"]
        assert legend([found]).startswith("One seed")

    def test_brackets_are_explained_where_some_row_has_one_seed(self, summary) -> None:
        assert "brackets" not in legend([summary])
        more = summarise([*[one_request("good", seed, 10, 50) for seed in (0, 1)], one_request("lone", 0, 10, 50)])
        assert "[5.0 to 15.0]" in main_table(more)
        assert "over seeds. Of one seed, in brackets the 95 % interval over images" in legend([more])

    def test_peak_memory_is_shown_of_cells_that_measured_it(self) -> None:
        readings = {"acc_f": rate(0.0)}
        old = cell("ewc", 0, [request(1, readings, peak_mb=0.0)], base="")
        oracle = cell("oracle-scratch", 0, [request(1, readings)])
        table = main_table(summarise([old, cell("lwf", 0, [request(1, readings, peak_mb=7.0)]), oracle]))
        place = [text.strip() for text in table.splitlines()[0].split("|")[2:-1]].index("peak MB")
        assert [row(table, name)[place] for name in ("ewc", "lwf", "oracle-scratch")] == ["–", "7.00", "–"]

    def test_what_forgetting_costs_is_not_ranked(self) -> None:
        def one(method, seconds, acc_r):
            made = [request(1, {"acc_r": rate(acc_r, "high")}, seconds=seconds)]
            return [cell(method, seed, made) for seed in (0, 1)]

        table = main_table(summarise([*one("quick", 1.0, 50), *one("slow", 9.0, 90)]))
        assert [("**" in text) for text in row(table, "slow")] == [True, False, False, False]
        assert not any("**" in text for text in row(table, "quick"))

    @pytest.mark.parametrize(
        ("ours", "oracle", "shown"),
        [
            ((10.0, 10.0), (40.0, 40.0), "0.25 ± 0.00 (−0.75)"),
            ((80.0, 80.0), (100.0, 100.0), "≤ 0.80"),
            ((80.0, 40.0), (100.0, 50.0), "≤ 0.80"),
            ((100.0, 100.0), (50.0, 50.0), "≥ 2.00"),
            ((100.0, 50.0), (50.0, 100.0), "~ 1.25"),
        ],
    )
    def test_steps_at_the_cap_bound_the_anamnesis_index(self, ours, oracle, shown) -> None:
        def steps(method, counts):
            made = [{"relearn_time": Value(value=count, unit="steps", n=20)} for count in counts]
            return [cell(method, seed, [request(1, readings)]) for seed, readings in enumerate(made)]

        found = summarise([*steps("ewc", ours), *steps("oracle-scratch", oracle)])
        assert row(main_table(found), "ewc")[0] == shown
        (line,) = [
            line
            for line in csv.DictReader(io.StringIO(as_csv([found])))
            if (line["method"], line["key"], line["request"]) == ("ewc", "anamnesis_index", "all")
        ]
        assert line["bound"] == (shown[0] if shown[0] in "≤≥~" else "")

    def test_nothing_is_said_of_it_where_both_are_at_the_cap(self) -> None:
        made = [request(1, {"relearn_time": Value(value=100.0, unit="steps", n=20)})]
        found = summarise([cell("ewc", 0, made), cell("oracle-scratch", 0, made)])
        assert "anamnesis_index" not in found.keys

    def test_a_strangers_row_becomes_a_column(self) -> None:
        found = [column.key for column in columns(["seconds", "acc_f", "mine", "cka_oracle_forget", "relearn_time"])]
        assert found == ["acc_f", "mine", "seconds"]


class TestSizes:
    def test_images_of_one_seed_with_what_they_are_behind(self) -> None:
        def one(method, seed, n):
            readings = {"acc_f": rate(0, n=25), "acc_r": rate(90, n=100), "linear_probe": rate(50, n=n)}
            return cell(method, seed, [request(1, readings)])

        found = summarise([*(one("ewc", seed, 100) for seed in (0, 1, 2)), one("lwf", 0, 100)])
        assert sizes(found) == "n, each seed: Acc_f 25; Acc_r, linear probe 100."
        more = summarise([one("ewc", 0, 1000), one("lwf", 0, 900)])
        assert sizes(more).endswith("linear probe 900 to 1,000.")

    def test_nothing_where_there_are_no_rates(self) -> None:
        assert not sizes(summarise([cell("ewc", 0, [request(1, {})])]))


class TestAlsoTable:
    def test_further_rows_in_their_order_and_what_edits_store(self) -> None:
        readings = {"acc_f": rate(1), "zrf": rate(3), "acc_f_worst": rate(20), "cka_original_retain_layer_1": rate(7)}
        made = [request(n, readings).model_copy(update={"parameters": 250_000}) for n in (1, 2)]
        table = also_table(summarise([cell("ewc", 0, made)]))
        heading = [text.strip() for text in table.splitlines()[0].split("|")[1:-1]]
        assert heading == ["method", "worst Acc_f", "ZRF", "edited parameters, M"]
        assert [text.split(" ")[0] for text in row(table, "ewc")] == ["20.0", "3.0", "0.50"]


class TestSequenceTable:
    def test_head_masks_lead_in_mean_h(self) -> None:
        def run(method, values):
            rows = [request(n, {"h": rate(v, "high")}) for n, v in enumerate(values, start=1)]
            return cell(method, 0, rows)

        table = sequence_table(summarise([run("head-mask", (90, 80)), run("ewc", (70, 60)), run("lwf", (95, 95))]))
        assert row(table, "ewc") == ["65.0", "+20.0", "–", "–", "–"]
        assert row(table, "lwf")[:2] == ["95.0", "−10.0"]

    def test_the_lead_is_paired_and_has_an_interval(self) -> None:
        """By hand: leads 10, 12 and 14 over the seeds that both have; t(2) = 4.303, standard error 2 / sqrt(3)."""

        def run(method, values):
            return [
                cell(method, seed, [request(n, {"h": rate(value, "high")}) for n in (1, 2)])
                for seed, value in enumerate(values)
            ]

        found = summarise([*run("head-mask", (90, 70, 50, 10)), *run("ewc", (80, 58, 36)), *run("lone", (80,))])
        assert row(sequence_table(found), "ewc")[:2] == ["58.0", "+12.0 ± 5.0"]
        assert row(sequence_table(found), "lone")[:2] == ["80.0", "+10.0"]

    def test_none_for_one_request(self, summary) -> None:
        assert sequence_table(summary) == ""


class TestCSV:
    def test_long_form(self, summary) -> None:
        lines = list(csv.DictReader(io.StringIO(as_csv([summary]))))
        assert tuple(lines[0]) == FIELDS
        (all_,) = [x for x in lines if (x["method"], x["key"], x["request"]) == ("good", "linear_probe", "all")]
        assert float(all_["mean"]) == 45
        assert float(all_["high"]) == pytest.approx(45 + 12.7062, abs=1e-3)
        assert (all_["seeds"], all_["n"], float(all_["gap"])) == ("2", "100", 4)
        assert [x["request"] for x in lines if (x["method"], x["key"]) == ("good", "acc_f")] == ["all", "1"]

    def test_every_value_of_every_cell_is_there(self) -> None:
        found = [likely(method, 0, 3) for method in METHODS[:6]]
        lines = list(csv.DictReader(io.StringIO(as_csv(summaries(found)))))
        there = {(line["method"], line["key"], line["request"]): float(line["mean"]) for line in lines}
        for one in found:
            for made in one.requests:
                for key, value in made.readings.items():
                    assert there[one.method, key, str(made.number)] == pytest.approx(value.value, rel=1e-5)


def test_markdown_lists_what_is_missing(summary) -> None:
    text = as_markdown([summary])
    assert "## faces, replay" in text
    assert "- oracle-finetune, all seeds: not run" in text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12.34, "%", "12.3"),
        (-0.01, "%", "0.0"),
        (-3.0, "%", "−3.0"),
        (123.4, "s", "123"),
        (12.34, "s", "12.3"),
        (1.234, "s", "1.23"),
        (0.0567, "s", "0.057"),
        (0.00042, "s", "0.0004"),
        (0.0, "s", "0.00"),
    ],
)
def test_numbers_as_written(value, unit, text) -> None:
    assert figure(value, unit) == text


def test_signs() -> None:
    assert [signed(v, "%") for v in (2.0, -2.0, 0.01, -0.01)] == ["+2.0", "−2.0", "0.0", "0.0"]
