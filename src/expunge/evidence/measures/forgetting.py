"""Accuracy of what is forgotten, of what stays, and H: required, and easily met by a mask on the head."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from expunge.evidence.accuracy import accuracy_of, harmonic_mean
from expunge.evidence.intervals import wilson
from expunge.evidence.protocol import Aim, Case, Reading


@dataclass(frozen=True)
class Forgetting:
    """Acc_f, Acc_r, Acc_o, Acc_m and H on the test images, margin-free."""

    name: ClassVar[str] = "forgetting"
    summary: ClassVar[str] = "accuracy of forgotten, retained, earlier and missing classes, and their harmonic mean"
    source: ClassVar[str] = "Zhao et al., CVPR 2024, arXiv 2403.11530"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "acc_f": "Acc_f",
        "acc_r": "Acc_r",
        "acc_o": "Acc_o",
        "acc_m": "Acc_m",
        "h": "H",
    }

    def missing(self, case: Case) -> str | None:
        """Always there."""
        return None

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The rates with Wilson intervals; H has none, as it is no rate."""
        rows: list[tuple[str, Collection[int], Aim]] = [
            ("acc_f", case.forget, "low"),
            ("acc_r", case.retain, "high"),
            ("acc_o", case.earlier, "low"),
            ("acc_m", case.missing, "high"),
        ]
        readings = {key: self._rate(case, key, classes, aim) for key, classes, aim in rows if classes}
        before = accuracy_of(case.original.test.logits, case.original.test.labels, case.forget).percent
        acc_f, acc_r = readings["acc_f"], readings["acc_r"]
        h = harmonic_mean(acc_r.value, before - acc_f.value)
        return (*readings.values(), Reading("h", h, "%", acc_f.n + acc_r.n, aim="high"))

    def _rate(self, case: Case, key: str, classes: Collection[int], aim: Aim) -> Reading:
        rate = accuracy_of(case.view.test.logits, case.view.test.labels, classes)
        interval = wilson(rate.hits, rate.n)
        return Reading(key, rate.percent, "%", rate.n, interval.low, interval.high, aim)
