"""Running many measures on one case."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from expunge.errors import EvidenceError
from expunge.evidence import Case, Reading, make_measure
from expunge.evidence.protocol import take


class Always:
    name: ClassVar[str] = "always"
    summary: ClassVar[str] = ""
    source: ClassVar[str] = ""
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {}

    def missing(self, case: Case) -> str | None:
        return None

    def measure(self, case: Case) -> tuple[Reading, ...]:
        return (Reading("one", 1.0, "1", 1), Reading("two", 2.0, "1", 1))


class Never(Always):
    name: ClassVar[str] = "never"

    def missing(self, case: Case) -> str | None:
        return "needs a miracle"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        raise AssertionError("must not be asked")


class Failing(Always):
    name: ClassVar[str] = "failing"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        raise EvidenceError("Expected the probe to converge.")


def test_one_that_fails_does_not_take_the_others_with_it(original_case: Case) -> None:
    readings, skipped = take(original_case, [Failing(), Always()])
    assert [reading.key for reading in readings] == ["one", "two"]
    assert skipped == {"failing": "Expected the probe to converge."}


def test_runs_what_can_be_taken_and_says_why_not(original_case: Case) -> None:
    readings, skipped = take(original_case, [Always(), Never()])
    assert [reading.key for reading in readings] == ["one", "two"]
    assert skipped == {"never": "needs a miracle"}


def test_our_measures_give_rows_with_labels_or_a_reason(original_case: Case) -> None:
    measures = [make_measure(name) for name in ("forgetting", "class-membership", "js-divergence", "u-lira")]
    readings, skipped = take(replace(original_case, oracle=None), measures)
    labels = {key for measure in measures for key in measure.labels}
    assert {reading.key for reading in readings} == {"acc_f", "acc_r", "acc_o", "h", "cmia_auc"}
    assert {reading.key for reading in readings} <= labels
    assert skipped == {"js-divergence": "needs an oracle", "u-lira": "needs shadow models"}
