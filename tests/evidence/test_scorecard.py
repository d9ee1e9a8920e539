"""The scorecard: rows of several models side by side, and its file."""

import json

import pytest

from expunge.errors import ScorecardError
from expunge.evidence import Reading, make_measure
from expunge.evidence.measures.relearn_time import RelearnTime
from expunge.evidence.scorecard import ModelName, Row, Scorecard, leans_on_oracle, make_rows
from tests.evidence.scorecards import card, row

MEASURES = [make_measure(name) for name in ("forgetting", "linear-probe", "relearn-time")]


def test_values_stand_side_by_side() -> None:
    edited = [Reading("acc_f", 4.0, "%", 25, 0.7, 19.5, "low"), Reading("linear_probe", 80.0, "%", 25)]
    original = [Reading("acc_f", 96.0, "%", 25, aim="low")]
    oracles = [
        [Reading("acc_f", 0.0, "%", 25)],
        [Reading("acc_f", 1.0, "%", 25), Reading("linear_probe", 60.0, "%", 25)],
    ]
    first, second = make_rows(MEASURES, edited, original, oracles)
    assert (first.label, first.measure, first.aim) == ("Acc_f", "forgetting", "low")
    assert (first.value, first.low, first.high, first.n) == (4.0, 0.7, 19.5, 25)
    assert (first.original, first.oracle, first.gap) == (96.0, 0.5, 3.5)  # the mean of the oracles
    assert (second.original, second.oracle, second.gap) == (None, 60.0, 20.0)


def test_without_an_oracle_there_is_no_gap() -> None:
    (only,) = make_rows(MEASURES, [Reading("acc_f", 4.0, "%", 25)], [])
    assert (only.original, only.oracle, only.gap) == (None, None, None)


def test_anamnesis_index_follows_the_steps() -> None:
    def steps(value: float) -> list[Reading]:
        return [Reading("relearn_time", value, "steps", 20)]

    _, ain = make_rows(MEASURES, steps(2.0), steps(0.0), [steps(8.0), steps(10.0)])
    assert (ain.key, ain.measure, ain.unit) == ("anamnesis_index", "derived", "ratio")
    assert ain.value == pytest.approx(2.01 / 9.01, abs=1e-4)
    assert ain.original == pytest.approx(0.01 / 9.01, abs=1e-4)
    assert ain.oracle == 1.0
    assert len(make_rows(MEASURES, steps(2.0), steps(0.0))) == 1


def test_each_kind_of_steps_has_an_index_of_its_own() -> None:
    def steps(value: float, alike: float) -> list[Reading]:
        return [Reading("relearn_time", value, "steps", 20), Reading("relearn_time_rows_alike", alike, "steps", 20)]

    rows = make_rows(MEASURES, steps(2.0, 6.0), steps(0.0, 4.0), [steps(8.0, 100.0)])
    first, ain, second, alike = rows
    assert [row.label for row in rows if row.measure == "derived"] == ["anamnesis index (AIN)", "AIN, rows anew"]
    assert (ain.key, ain.value) == ("anamnesis_index", pytest.approx(2.01 / 8.01, abs=1e-4))
    assert (alike.key, alike.value) == ("anamnesis_index_rows_alike", pytest.approx(6.01 / 100.01, abs=1e-4))
    assert (first.bounds, ain.bounds, second.bounds["oracle"]) == ({}, {}, "at_least")
    assert alike.bounds["value"] == "at_most"
    assert leans_on_oracle(alike.key)
    assert not leans_on_oracle(second.key)


def relearnt(edited: float, *oracles: float, cap: int = 100) -> tuple[Row, Row]:
    def steps(value: float) -> list[Reading]:
        return [Reading("relearn_time", value, "steps", 20)]

    time, ain = make_rows([RelearnTime(cap=cap)], steps(edited), steps(0.0), [steps(one) for one in oracles])
    return time, ain


def test_steps_at_the_cap_make_bounds() -> None:
    time, ain = relearnt(60.0, 67.0)
    assert time.bounds == ain.bounds == {}
    time, ain = relearnt(60.0, 100.0)
    assert time.bounds == {"oracle": "at_least", "gap": "at_most"}
    assert ain.bounds == {"value": "at_most", "original": "at_most", "gap": "at_most"}
    time, ain = relearnt(100.0, 67.0)
    assert time.bounds == {"value": "at_least", "gap": "at_least"}
    assert ain.bounds == {"value": "at_least", "gap": "at_least"}
    time, ain = relearnt(100.0, 100.0)
    assert (time.bounds["gap"], ain.bounds["value"]) == ("unknown", "unknown")
    assert relearnt(60.0, 67.0, 100.0)[1].bounds["value"] == "at_most"  # one oracle at the cap is enough
    assert relearnt(60.0, 100.0, cap=200)[1].bounds == {}


def test_bounds_are_written_and_read() -> None:
    scorecard = card(*relearnt(60.0, 100.0))
    assert Scorecard.parse(scorecard.to_json()) == scorecard
    assert '"bounds"' not in card(*relearnt(60.0, 67.0)).to_json()


def test_an_oracle_is_not_compared_with_itself() -> None:
    keys = ("js_forget", "idi", "cka_oracle_forget", "cka_oracle_forget_layer_0", "linear_probe", "cka_original_forget")

    def readings(value: float) -> list[Reading]:
        return [Reading(key, value, "1", 20) for key in keys]

    both = {row.key: row for row in make_rows([], readings(0.5), [], [readings(0.0), readings(0.4)])}
    assert (
        {key: (row.oracle, row.oracles) for key, row in both.items()}
        == {
            **dict.fromkeys(keys[:4], (0.4, 1)),  # the first is the one that they compare with
            **dict.fromkeys(keys[4:], (0.2, 2)),
        }
    )
    alone = {row.key: row.oracle for row in make_rows([], readings(0.5), [], [readings(0.0)])}
    assert alone == {**dict.fromkeys(keys[:4]), **dict.fromkeys(keys[4:], 0.0)}
    assert '"oracles": 2' in both["linear_probe"].model_dump_json(indent=1)
    assert '"oracles"' not in both["idi"].model_dump_json(indent=1)


def test_ends_that_are_no_numbers_are_left_out() -> None:
    reading = Reading("sharpness", 1.0, "1", 5, low=float("nan"), high=float("inf"))
    (found,) = make_rows([], [reading], [])
    assert (found.value, found.low, found.high) == (1.0, None, None)


def test_numbers_that_are_none_are_left_out() -> None:
    nan = float("nan")
    rows = make_rows(
        MEASURES, [Reading("acc_f", nan, "%", 5), Reading("acc_r", 90.0, "%", 5)], [], [[Reading("acc_r", nan, "%", 5)]]
    )
    assert [(found.key, found.oracle) for found in rows] == [("acc_r", None)]


def test_a_measure_of_another_package_keeps_its_key_as_label() -> None:
    (found,) = make_rows([], [Reading("sharpness", 1.0, "nats", 5)], [])
    assert (found.label, found.measure) == ("sharpness", "")


def test_the_file_comes_back_as_it_went() -> None:
    scorecard = card(row("acc_f", 1 / 3, original=98.0), earlier=("blue",))
    text = scorecard.to_json()
    assert Scorecard.parse(text) == scorecard
    assert list(json.loads(text))[:3] == ["schema", "edited", "original"]
    assert json.loads(text)["rows"][0]["value"] == 0.3333
    assert scorecard.retained == ("coral", "dune")
    assert scorecard.row("acc_f") is scorecard.rows[0]
    assert scorecard.row("h") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "expunge/scorecard/v2"}, "schema"),
        ({"forgotten": ["zebra"]}, "'zebra' is not a class of the model"),
        ({"edited": {"name": "x", "sha256": "short"}}, "edited.sha256"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_damaged_file_is_refused_with_the_field(change: dict[str, object], message: str) -> None:
    values = json.loads(card(row("acc_f", 1.0)).to_json()) | change
    with pytest.raises(ScorecardError, match=message):
        Scorecard.parse(json.dumps(values))
    with pytest.raises(ScorecardError, match=r"scorecard\.json does not follow"):
        Scorecard.parse("{")


def test_a_key_may_stand_there_once() -> None:
    with pytest.raises(ValueError, match="'acc_f' is there more than once"):
        card(row("acc_f", 1.0), row("acc_f", 2.0))
    assert ModelName(name="m", sha256="0" * 64).name == "m"
