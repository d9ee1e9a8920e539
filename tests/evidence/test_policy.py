"""Policies: what they demand, what they refuse, and the verdicts they come to."""

from pathlib import Path
from typing import Any

import pytest

from expunge.errors import PolicyError
from expunge.evidence.policy import Policy, load_policy
from expunge.evidence.scorecard import Scorecard
from expunge.evidence.verdict import Verdict, judge
from expunge.runs.measuring import known_keys
from tests.evidence.scorecards import card, row


def policy(*rules: dict[str, Any]) -> Policy:
    made = [{"key": "acc_f", "kind": "erasure"} | rule for rule in rules]
    return Policy.model_validate({"schema": "expunge/policy/v1", "name": "test", "rule": made})


def status(rule: dict[str, Any], scorecard: Scorecard) -> str:
    return judge(scorecard, policy(rule)).reasons[0].status


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        ({"max": 5.0}, {"value": 5.0}, "passed"),
        ({"max": 5.0}, {"value": 5.1}, "failed"),
        ({"min": 5.0}, {"value": 5.0}, "passed"),
        ({"min": 5.0}, {"value": 4.9}, "failed"),
        ({"max_loss_from_original": 3.0}, {"value": 95.0, "original": 98.0}, "passed"),
        ({"max_loss_from_original": 3.0}, {"value": 94.9, "original": 98.0}, "failed"),
        ({"max_loss_from_original": 3.0}, {"value": 99.0, "original": 90.0}, "passed"),
        ({"max_loss_from_original": 3.0}, {"value": 99.0}, "unmeasured"),
        ({"max_gap_to_oracle": 10.0}, {"value": 30.0, "oracle": 20.0}, "passed"),
        ({"max_gap_to_oracle": 10.0}, {"value": 30.1, "oracle": 20.0}, "failed"),
        ({"max_gap_to_oracle": 10.0}, {"value": 5.0, "oracle": 20.0}, "failed"),
        ({"max_gap_to_oracle": 10.0, "side": "above"}, {"value": 5.0, "oracle": 20.0}, "passed"),
        ({"max_gap_to_oracle": 10.0, "side": "below"}, {"value": 5.0, "oracle": 20.0}, "failed"),
        ({"max_gap_to_oracle": 10.0, "side": "below"}, {"value": 50.0, "oracle": 20.0}, "passed"),
        ({"max_gap_to_oracle": 10.0}, {"value": 5.0}, "unmeasured"),
        ({"max": 5.0, "counts": "high"}, {"value": 2.0, "low": 0.0, "high": 4.0}, "passed"),
        ({"max": 5.0, "counts": "high"}, {"value": 2.0, "low": 0.0, "high": 9.0}, "undecided"),
        ({"max": 5.0, "counts": "high"}, {"value": 6.0, "low": 0.0, "high": 9.0}, "failed"),
        ({"max": 5.0, "counts": "high"}, {"value": 2.0}, "undecided"),
        ({"min": 5.0, "counts": "low"}, {"value": 7.0, "low": 4.0, "high": 9.0}, "undecided"),
        ({"max": 5.0, "min_n": 30}, {"value": 0.0, "n": 29}, "undecided"),
        ({"max": 5.0, "min_n": 30}, {"value": 0.0, "n": 30}, "passed"),
        ({"max": 5.0}, {"value": 0.0, "n": 0}, "undecided"),  # no images, no evidence
        ({"key": "acc_o", "max": 5.0}, {"value": 0.0}, "unmeasured"),
    ],
)
def test_each_limit_at_its_edge(rule: dict[str, Any], values: dict[str, Any], expected: str) -> None:
    scorecard = card(row("linear_probe", **values))
    assert status({"key": "linear_probe"} | rule, scorecard) == expected


@pytest.mark.parametrize(("low", "high", "expected"), [(19, 29, "passed"), (9, 29, "undecided"), (19, 31, "undecided")])
@pytest.mark.parametrize("counts", ["low", "high"])
def test_a_gap_to_both_sides_counts_either_end(counts: str, low: float, high: float, expected: str) -> None:
    scorecard = card(row("linear_probe", 22.0, low=low, high=high, oracle=20.0))
    rule = {"key": "linear_probe", "max_gap_to_oracle": 10.0, "counts": counts}
    assert status(rule, scorecard) == expected
    (reason,) = judge(scorecard, policy(rule)).reasons
    assert reason.limit == "at most 10 points from the oracle, either end of the interval"


def test_exactly_the_limit_is_within_it_whatever_the_rounding() -> None:
    for n in (250, 400, 700, 2000):
        for hits in range(3 * n // 100, n + 1):
            lost = row("acc_r", 100 * (hits - 3 * n // 100) / n, n=n, original=100 * hits / n)
            assert status({"key": "acc_r", "kind": "harm", "max_loss_from_original": 3.0}, card(lost)) == "passed"


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [
        ([{"max": 5.0}], "erased"),
        ([{"max": 1.0}], "not_erased"),
        ([{"max": 5.0}, {"key": "acc_r", "kind": "harm", "min": 90.0}], "harm_too_large"),
        ([{"max": 1.0}, {"key": "acc_r", "kind": "harm", "min": 90.0}], "not_erased"),
        ([{"max": 5.0}, {"key": "linear_probe", "max": 5.0}], "not_enough_evidence"),
        ([{"max": 5.0}, {"key": "linear_probe", "max": 5.0, "required": False}], "erased"),
        ([{"max": 5.0, "min_n": 1000}], "not_enough_evidence"),
        ([{"max": 5.0}, {"max": 4.0, "min_n": 1000, "required": False}], "not_enough_evidence"),
        ([{"max": 1.0}, {"key": "linear_probe", "max": 5.0}], "not_erased"),
        ([{"max": 1.0, "when": "oracle"}, {"max": 5.0}], "erased"),
        ([{"max": 1.0, "when": "no_oracle"}, {"max": 5.0}], "not_erased"),
        ([{"key": "acc_r", "kind": "harm", "min": 70.0}], "not_enough_evidence"),
        ([{"max": 1.0, "when": "oracle"}], "not_enough_evidence"),
    ],
)
def test_outcome(rules: list[dict[str, Any]], outcome: str) -> None:
    assert judge(card(row("acc_f", 3.0), row("acc_r", 80.0)), policy(*rules)).outcome == outcome


def test_a_reason_says_what_was_measured_and_what_was_demanded() -> None:
    scorecard = card(row("acc_f", 3.0, low=1.0, high=8.0, original=97.0, oracle=0.0), oracle=True)
    (reason,) = judge(scorecard, policy({"max_gap_to_oracle": 2.0, "side": "above"})).reasons
    assert reason.limit == "at most 2 points above the oracle"
    assert reason.measured == "3 %, interval 1–8, oracle 0, original 97, n 100"
    (reason,) = judge(scorecard, policy({"max": 5.0, "counts": "high"})).reasons
    assert reason.limit == "at most 5 %, high end of the interval"
    assert "more images" in reason.note


def ain(value: float, bound: str | None) -> Scorecard:
    return card(row("anamnesis_index", value, unit="ratio", oracle=1.0, bounds={"value": bound} if bound else {}))


@pytest.mark.parametrize(
    ("rule", "value", "bound", "expected"),
    [
        ({"min": 0.5}, 0.8, None, "passed"),
        ({"min": 0.5}, 0.8, "at_most", "unmeasured"),  # it may be anything below
        ({"min": 0.5}, 0.4, "at_most", "failed"),
        ({"min": 0.5}, 0.8, "at_least", "passed"),
        ({"min": 0.5}, 0.4, "at_least", "unmeasured"),
        ({"min": 0.5}, 1.0, "unknown", "unmeasured"),
        ({"max": 0.5}, 0.4, "at_most", "passed"),
        ({"max": 0.5}, 0.8, "at_least", "failed"),
        ({"max_gap_to_oracle": 0.5}, 0.4, "at_most", "failed"),
        ({"max_gap_to_oracle": 0.5}, 0.8, "at_most", "unmeasured"),
        ({"max_gap_to_oracle": 0.5, "side": "above"}, 0.8, "at_most", "passed"),
        ({"max_gap_to_oracle": 0.5, "side": "below"}, 0.8, "at_most", "unmeasured"),
    ],
)
def test_a_bound_is_held_against_a_limit_as_a_bound(
    rule: dict[str, Any], value: float, bound: str | None, expected: str
) -> None:
    assert status({"key": "anamnesis_index"} | rule, ain(value, bound)) == expected


def test_a_bound_of_the_oracle_counts_too() -> None:
    steps = {"unit": "steps", "oracle": 100.0, "bounds": {"oracle": "at_least"}}
    rule = {"key": "relearn_time", "max_gap_to_oracle": 30.0, "side": "below"}
    assert status(rule, card(row("relearn_time", 60.0, **steps))) == "failed"
    assert status(rule, card(row("relearn_time", 80.0, **steps))) == "unmeasured"


def test_a_bound_is_shown_as_one() -> None:
    (reason,) = judge(ain(0.79, "at_most"), policy({"key": "anamnesis_index", "min": 0.5})).reasons
    assert reason.measured == "at most 0.79, oracle 1, n 100"
    assert reason.note == "only a bound is known, as re-learning was stopped before it was done"


ORACLE_RULES = (
    {"max": 5.0},
    {"key": "linear_probe", "max_gap_to_oracle": 10.0, "side": "above"},
    {"key": "prototype_relearning_10", "max": 90.0, "when": "oracle"},
    {"key": "idi", "max": 0.5},
)


@pytest.mark.parametrize(("key", "words"), [("acc_f", "the class"), ("acc_o", "classes of earlier requests")])
@pytest.mark.parametrize("limit", [5.0, 30.0])
def test_a_model_that_knows_the_class_is_no_oracle(key: str, words: str, limit: float) -> None:
    def outcome(oracle: float) -> Verdict:
        rows = [row(one, 0.0, oracle=oracle if one == key else 0.0) for one in ("acc_f", "acc_o")]
        keys = ("linear_probe", "prototype_relearning_10")
        rows += [*(row(one, 80.0, oracle=80.0) for one in keys), row("idi", 0.0, unit="1")]
        rules = policy({"key": key, "max": limit}, *ORACLE_RULES[key == "acc_f" :])
        return judge(card(*rows, oracle=True), rules)

    assert outcome(limit).outcome == "erased"
    verdict = outcome(limit + 0.1)
    assert verdict.outcome == "not_enough_evidence"
    unmeasured = [reason for reason in verdict.reasons if reason.status == "unmeasured"]
    assert [reason.key for reason in unmeasured] == ["linear_probe", "prototype_relearning_10", "idi"]
    assert {reason.note for reason in unmeasured} == {f"the oracle knows {words}: {key} {limit + 0.1:.4g} %"}


def test_without_a_limit_of_its_own_a_policy_still_wants_an_oracle_that_is_one() -> None:
    rows = [row("acc_f", 0.0, oracle=98.0), row("linear_probe", 90.0, oracle=95.0)]
    rule = {"key": "linear_probe", "max_gap_to_oracle": 10.0, "side": "above"}
    assert status(rule, card(*rows, oracle=True)) == "unmeasured"


def test_a_rule_may_stand_in_for_a_row_that_was_not_measured() -> None:
    rules = policy({"key": "linear_probe", "max": 5.0}, {"key": "acc_f", "max": 1.0, "unless": "linear_probe"})
    assert [r.key for r in judge(card(row("acc_f", 3.0), row("linear_probe", 3.0)), rules).reasons] == ["linear_probe"]
    assert judge(card(row("acc_f", 3.0)), rules).outcome == "not_erased"


def test_several_oracles_are_said() -> None:
    scorecard = card(row("linear_probe", 22.0, oracle=20.0, oracles=2))
    (reason,) = judge(scorecard, policy({"key": "linear_probe", "max_gap_to_oracle": 10.0})).reasons
    assert reason.measured == "22 %, oracle 20 (mean of 2), n 100"


def test_verdict_is_written_with_its_schema() -> None:
    text = judge(card(row("acc_f", 3.0)), policy({"max": 5.0})).to_json()
    assert '"schema": "expunge/verdict/v1"' in text
    assert Verdict.model_validate_json(text).outcome == "erased"


HEAD = 'schema = "expunge/policy/v1"\nname = "x"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rule = [", "is no TOML"),
        (HEAD, "rule: Field required"),
        (HEAD + "rule = []", "rule: Tuple should have at least 1 item"),
        ('schema = "v9"\nname = "x"\n[[rule]]\nkey = "acc_f"\nkind = "harm"\nmax = 1', "schema"),
        (HEAD + '[[rule]]\nkey = "acc_f"\nkind = "harm"', "rule 1: expected exactly one of .* got none"),
        (HEAD + '[[rule]]\nkey = "acc_f"\nkind = "harm"\nmin = 1\nmax = 2', "got min, max"),
        (HEAD + '[[rule]]\nkey = "acc_f"\nkind = "magic"\nmax = 2', "rule 1, kind: .* got 'magic'"),
        (HEAD + '[[rule]]\nkey = "acc_f"\nkind = "harm"\nmaximum = 2', "rule 1, maximum: Extra inputs"),
        (HEAD + '[[rule]]\nkey = "acc_f"\nkind = "harm"\nmax_gap_to_oracle = -2', "max_gap_to_oracle"),
        (
            HEAD + '[[rule]]\nkey = "acc_ff"\nkind = "harm"\nmax = 2',
            "rule 1 asks for 'acc_ff', which nothing measures; there is acc_f",
        ),
        (
            HEAD + '[[rule]]\nkey = "acc_f"\nkind = "harm"\nmax = 2\nunless = "acc_ff"',
            "rule 1 asks for 'acc_ff', which nothing measures; there is acc_f",
        ),
        (HEAD + "four_eyes = 1\n" + '[[rule]]\nkey = "acc_f"\nkind = "harm"\nmax = 2', "four_eyes: .* got 1"),
    ],
)
def test_an_unusable_policy_is_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        Policy.parse(text, source="mine.toml", known=known_keys())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('max = "5"', "rule 1, max: Input should be a valid number, got '5'"),
        ("max = true", "rule 1, max: Input should be a valid number, got True"),
        ("max = -5", "rule 1, max: Input should be greater than or equal to 0, got -5"),
        ("max = nan", "rule 1, max: Input should be a finite number, got nan"),
        ('max = 5\nmin_n = "7"', "rule 1, min_n: Input should be a valid integer, got '7'"),
        ("max = 5\nmin_n = true", "rule 1, min_n: Input should be a valid integer, got True"),
        ("max = 5\nmin_n = 7.0", "rule 1, min_n: Input should be a valid integer, got 7.0"),
        ('max = 5\nrequired = "no"', "rule 1, required: Input should be a valid boolean, got 'no'"),
        ("max = 5\nrequired = 0", "rule 1, required: Input should be a valid boolean, got 0"),
        ('max = 5\nside = "below"', "rule 1: side = 'below' is about a gap; it needs max_gap_to_oracle"),
        ('max_loss_from_original = 5\nside = "above"', "rule 1: side = 'above' is about a gap"),
        ('max_gap_to_oracle = 5\nwhen = "no_oracle"', "rule 1: max_gap_to_oracle needs an oracle"),
        ('max = 5\ncounts = "low"', "rule 1: counts = 'low' asks for nothing here, .* expected 'value' or 'high'"),
        ('min = 5\ncounts = "high"', "rule 1: counts = 'high' asks for nothing here"),
        ('max_loss_from_original = 5\ncounts = "high"', "expected 'value' or 'low'"),
        ('max_gap_to_oracle = 5\nside = "above"\ncounts = "low"', "counts = 'low' asks for nothing"),
        ('max_gap_to_oracle = 5\nside = "below"\ncounts = "high"', "counts = 'high' asks for nothing"),
        ('max = 5\nunless = "acc_f"', "rule 1: unless = 'acc_f' is the rule's own row"),
    ],
)
def test_a_rule_is_taken_at_its_word(settings: str, message: str) -> None:
    text = f'{HEAD}[[rule]]\nkey = "acc_f"\nkind = "erasure"\n{settings}'
    with pytest.raises(PolicyError, match=message):
        Policy.parse(text, source="mine.toml", known=known_keys())


def test_a_policy_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere\.toml cannot be read"):
        load_policy(tmp_path / "nowhere.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match=r"bytes\.toml cannot be read"):
        load_policy(tmp_path / "bytes.toml")
    (tmp_path / "own.toml").write_text(HEAD + '[[rule]]\nkey = "acc_f"\nkind = "erasure"\nmax = 2')
    assert load_policy(tmp_path / "own.toml").rule[0].max == 2.0


def test_the_default_policy_asks_for_nothing_that_nothing_measures() -> None:
    default = load_policy(known=known_keys())
    assert {rule.kind for rule in default.rule} == {"erasure", "harm", "hole"}


GOOD = {
    "acc_f": 0.0,
    "rows_in_place_acc_f": 0.0,
    "acc_r": 97.0,
    "linear_probe": 55.0,
    "cmia_auc": 90.0,
    "anamnesis_index": 0.9,
}
GOOD |= {"strangers_known_p": 0.4, "strangers_hole_p": 0.6}
ORACLE = {"acc_f": 0.0, "acc_r": 98.0, "linear_probe": 50.0, "cmia_auc": 95.0, "anamnesis_index": 1.0}
ORACLE |= {f"prototype_relearning_{shots}": 50.0 for shots in (1, 5, 10)}
GOOD_DETECTOR = {key: value for key, value in GOOD.items() if key not in ("cmia_auc", "anamnesis_index")}
BEFORE = {"strangers_known_p": 0.001}
BESIDE = (row("strangers_known_p", 0.4, original=0.001), row("strangers_hole_p", 0.6))


def scorecard_of(values: dict[str, float], *, oracle: bool) -> Scorecard:
    """A scorecard of such rows with intervals of no width; the original reaches 98 % and is told from strangers."""
    rows = [
        row(key, value, low=value, high=value, original=BEFORE.get(key, 98.0), oracle=_of(key) if oracle else None)
        for key, value in values.items()
    ]
    return card(*rows, oracle=oracle)


def _of(key: str) -> float:
    return ORACLE.get(key, 0.0)


@pytest.mark.parametrize(
    ("changes", "oracle", "outcome"),
    [
        ({}, True, "erased"),
        ({"acc_f": 6.0}, True, "not_erased"),
        ({"rows_in_place_acc_f": 6.0}, True, "not_erased"),  # the head was struck, and the weights still know
        ({"rows_in_place_acc_f": 6.0}, False, "not_erased"),
        ({"rows_in_place_acc_o": 6.0}, False, "not_erased"),
        ({"linear_probe": 61.0}, True, "not_erased"),  # the features still know it
        ({"cmia_auc": 50.0}, True, "not_erased"),  # it answers as if it had learnt the class
        ({"anamnesis_index": 0.2}, True, "not_erased"),
        ({"acc_r": 94.0}, True, "harm_too_large"),
        ({}, False, "erased"),  # without an oracle strangers decide
        ({"linear_probe": 95.0, "prototype_relearning_1": 95.0}, False, "erased"),
        ({"strangers_known_p": 0.049}, False, "not_erased"),
        ({"strangers_hole_p": 0.049}, False, "hole_shows"),
        ({"strangers_known_p": 0.049, "strangers_hole_p": 0.049}, False, "not_erased"),
        ({"strangers_hole_p": 0.049, "acc_r": 94.0}, False, "harm_too_large"),
        ({"strangers_known_p": 0.049, "strangers_hole_p": 0.049}, True, "erased"),  # with an oracle it decides
        ({"prototype_relearning_10": 39.0}, True, "hole_shows"),
        ({"prototype_relearning_1": 61.0}, True, "not_erased"),  # the most images that there were
        ({"prototype_relearning_1": 61.0, "prototype_relearning_5": 50.0}, True, "erased"),
        ({"prototype_relearning_5": 61.0, "prototype_relearning_10": 50.0}, True, "erased"),
        ({"prototype_relearning_5": 61.0, "prototype_relearning_1": 50.0}, True, "not_erased"),
        ({"acc_f": 5.0, "acc_f_worst": 20.0}, True, "erased"),
        ({"acc_f": 5.0, "acc_f_worst": 40.0}, True, "not_erased"),
        ({"acc_o": 6.0}, True, "not_erased"),
        ({"acc_o_worst": 40.0}, True, "not_erased"),
        ({"int8_acc_f": 6.0}, True, "not_erased"),
        ({"int8_acc_o": 6.0}, True, "not_erased"),
        ({"prototype_relearning_10": 61.0}, True, "not_erased"),
        ({"acc_m": 88.0}, True, "erased"),
        ({"acc_m": 87.0}, True, "harm_too_large"),
    ],
)
def test_the_default_policy(changes: dict[str, float], oracle: bool, outcome: str) -> None:
    assert judge(scorecard_of(GOOD | changes, oracle=oracle), load_policy()).outcome == outcome


@pytest.mark.parametrize(
    ("changes", "oracle", "outcome"),
    [
        ({}, True, "erased"),
        ({"acc_f": 5.0, "acc_f_worst": 20.0, "acc_o": 5.0, "acc_o_worst": 20.0, "acc_m": 88.0}, True, "erased"),
        ({"acc_f": 6.0}, True, "not_erased"),
        ({"acc_f_worst": 21.0}, True, "not_erased"),
        ({"acc_o": 6.0}, True, "not_erased"),
        ({"acc_o_worst": 21.0}, True, "not_erased"),
        ({"linear_probe": 61.0}, True, "not_erased"),
        ({"prototype_relearning_10": 61.0}, True, "not_erased"),
        ({"prototype_relearning_5": 61.0}, True, "not_erased"),
        ({"prototype_relearning_1": 61.0}, True, "not_erased"),
        ({"prototype_relearning_5": 61.0, "prototype_relearning_10": 50.0}, True, "erased"),
        ({"prototype_relearning_1": 61.0, "prototype_relearning_5": 50.0}, True, "erased"),
        ({}, False, "erased"),  # without an oracle strangers decide
        ({"strangers_known_p": 0.049}, False, "not_erased"),
        ({"strangers_hole_p": 0.049}, False, "hole_shows"),
        ({"rows_in_place_acc_f": 6.0}, False, "not_erased"),
        ({"rows_in_place_acc_o": 6.0}, True, "not_erased"),
        ({"acc_r": 94.0}, True, "harm_too_large"),
        ({"acc_m": 87.0}, True, "harm_too_large"),
    ],
)
def test_the_policy_for_detectors(changes: dict[str, float], oracle: bool, outcome: str) -> None:
    scorecard = scorecard_of(GOOD_DETECTOR | changes, oracle=oracle)
    assert judge(scorecard, load_policy(task="detection")).outcome == outcome


@pytest.mark.parametrize(
    ("n", "high", "outcome"),
    [(16, 0.0, "erased"), (15, 0.0, "not_enough_evidence"), (16, 20.0, "erased"), (16, 20.1, "not_enough_evidence")],
)
def test_the_policy_for_detectors_wants_objects_enough(n: int, high: float, outcome: str) -> None:
    rows = [row("acc_f", 0.0, n=n, low=0.0, high=high), row("acc_r", 98.0, original=98.0), *BESIDE]
    rows.append(row("rows_in_place_acc_f", 0.0, n=16))
    assert judge(card(*rows), load_policy(task="detection")).outcome == outcome


@pytest.mark.parametrize(
    ("hits", "n", "outcome"),
    [
        (0, 5, "erased"),
        (1, 5, "erased"),  # one image of five may be right by chance
        (2, 5, "not_erased"),
        (0, 4, "not_enough_evidence"),
        (4, 4, "not_enough_evidence"),  # more images of this class would tell
        (4, 20, "erased"),
        (5, 20, "not_erased"),
    ],
)
def test_the_default_policy_looks_at_the_worst_class(hits: int, n: int, outcome: str) -> None:
    rows = [row("acc_f", 4.0, low=1.0, high=9.0), row("acc_f_worst", 100 * hits / n, n=n)]
    rows += [row("rows_in_place_acc_f", 4.0, low=1.0, high=9.0), row("acc_r", 98.0, original=98.0), *BESIDE]
    assert judge(card(*rows), load_policy()).outcome == outcome


def test_an_index_that_is_only_a_bound_does_not_pass_the_default_policy() -> None:
    rows = [row(key, value, low=value, high=value, original=98.0, oracle=_of(key)) for key, value in GOOD.items()]
    place = list(GOOD).index("anamnesis_index")
    rows[place] = rows[place].model_copy(update={"bounds": {"value": "at_most"}})
    verdict = judge(card(*rows, oracle=True), load_policy())
    found = {reason.key: reason.status for reason in verdict.reasons}
    assert (found["anamnesis_index"], verdict.outcome) == ("unmeasured", "erased")


def test_the_default_policy_wants_images_enough() -> None:
    few = [row("acc_f", 0.0, n=6, low=0.0, high=39.0), row("acc_r", 98.0, original=98.0), *BESIDE]
    few.append(row("rows_in_place_acc_f", 0.0, low=0.0, high=0.0))
    assert judge(card(*few), load_policy()).outcome == "not_enough_evidence"


def test_without_oracle_and_strangers_there_is_not_enough_evidence() -> None:
    alone = {key: value for key, value in GOOD.items() if not key.startswith("strangers")}
    detector = {"acc_f": 0.0, "rows_in_place_acc_f": 0.0, "acc_r": 97.0}
    for policy, rows in ((load_policy(), alone), (load_policy(task="detection"), detector)):
        verdict = judge(scorecard_of(rows, oracle=False), policy)
        assert verdict.outcome == "not_enough_evidence"
        assert next(r.key for r in verdict.reasons if r.status == "unmeasured" and r.required) == "strangers_known_p"


def test_a_test_that_lets_the_untouched_model_pass_tells_nothing() -> None:
    rows = [row(key, value, low=value, high=value, original=98.0) for key, value in GOOD.items()]
    at = list(GOOD).index("strangers_known_p")
    for before, status in ((0.049, "passed"), (0.05, "undecided"), (0.3, "undecided"), (None, "unmeasured")):
        rows[at] = row("strangers_known_p", 0.4, original=before)
        verdict = judge(card(*rows), load_policy())
        assert next(r.status for r in verdict.reasons if r.key == "strangers_known_p") == status
        assert verdict.outcome == ("erased" if status == "passed" else "not_enough_evidence")


def test_the_other_aim_lets_a_hole_pass() -> None:
    other = load_policy(Path("not-to-be-found-again"), known=known_keys())
    assert other.aim == "not-to-be-found-again"
    assert load_policy().aim == "as-never-seen"
    for changes, outcome in (({"strangers_hole_p": 0.001}, "erased"), ({"strangers_known_p": 0.01}, "not_erased")):
        scorecard = scorecard_of(GOOD | changes, oracle=False)
        assert judge(scorecard, other).outcome == outcome
    assert judge(scorecard, other).aim == "not-to-be-found-again"


def test_a_file_of_that_name_comes_before_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("default").write_text(HEAD + '[[rule]]\nkey = "acc_f"\nkind = "erasure"\nmax = 2')
    assert load_policy(Path("default")).rule[0].max == 2.0


def test_a_control_needs_a_limit_that_the_untouched_model_can_break() -> None:
    text = HEAD + '[[rule]]\nkey = "acc_r"\nkind = "harm"\nmax_loss_from_original = 2\ncontrol = true'
    with pytest.raises(PolicyError, match="control = true holds the untouched model to the same limit"):
        Policy.parse(text, source="own")
