"""Policies: what they demand, what they refuse, and the verdicts they come to."""

from pathlib import Path
from typing import Any

import pytest

from expunge.errors import PolicyError
from expunge.evidence.policy import Policy, load_policy
from expunge.evidence.scorecard import Scorecard
from expunge.evidence.verdict import Verdict, judge
from expunge.requests.measuring import known_keys
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
        ({"key": "acc_o", "max": 5.0}, {"value": 0.0}, "unmeasured"),
    ],
)
def test_each_limit_at_its_edge(rule: dict[str, Any], values: dict[str, Any], expected: str) -> None:
    assert status(rule, card(row("acc_f", values.pop("value"), **values))) == expected


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
    ],
)
def test_an_unusable_policy_is_refused_in_one_sentence(text: str, message: str) -> None:
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
    assert {rule.kind for rule in default.rule} == {"erasure", "harm"}


GOOD = {"acc_f": 0.0, "acc_r": 97.0, "linear_probe": 55.0, "cmia_auc": 90.0, "anamnesis_index": 0.9}
ORACLE = {"acc_f": 0.0, "acc_r": 98.0, "linear_probe": 50.0, "cmia_auc": 95.0, "anamnesis_index": 1.0}


@pytest.mark.parametrize(
    ("changes", "oracle", "outcome"),
    [
        ({}, True, "erased"),
        ({"acc_f": 6.0}, True, "not_erased"),
        ({"linear_probe": 61.0}, True, "not_erased"),  # the features still know it
        ({"cmia_auc": 50.0}, True, "not_erased"),  # it answers as if it had learnt the class
        ({"anamnesis_index": 0.2}, True, "not_erased"),
        ({"acc_r": 94.0}, True, "harm_too_large"),
        ({}, False, "not_erased"),  # without an oracle a probe of 55 % is too much
        ({"linear_probe": 12.0}, False, "erased"),
    ],
)
def test_the_default_policy(changes: dict[str, float], oracle: bool, outcome: str) -> None:
    rows = [
        row(key, value, low=value, high=value, original=98.0, oracle=ORACLE[key] if oracle else None)
        for key, value in (GOOD | changes).items()
    ]
    assert judge(card(*rows, oracle=oracle), load_policy()).outcome == outcome


def test_the_default_policy_wants_images_enough() -> None:
    few = [row("acc_f", 0.0, n=6, low=0.0, high=39.0), row("acc_r", 98.0, original=98.0), row("linear_probe", 5.0)]
    assert judge(card(*few), load_policy()).outcome == "not_enough_evidence"
