"""Accuracy of what is forgotten, of what stays, and H: required, and easily met by a mask on the head."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from expunge.evidence.protocol import Aim, Case, Reading
from expunge.intervals import wilson
from expunge.tasks.classification.accuracy import accuracy_of, harmonic_mean, worst
from expunge.values import Rate


@dataclass(frozen=True)
class Forgetting:
    """Acc_f, Acc_r, Acc_o, Acc_m and H on the test images, margin-free.

    A rate over many classes hides one that is still known. So where several are forgotten, the one that is known best
    has a row of its own, for this request and for earlier ones. A row is there where its classes have test images.
    """

    name: ClassVar[str] = "forgetting"
    summary: ClassVar[str] = "accuracy of forgotten, retained, earlier and missing classes, and their harmonic mean"
    source: ClassVar[str] = "Zhao et al., CVPR 2024, arXiv 2403.11530"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "acc_f": "Acc_f",
        "acc_f_worst": "Acc_f, worst class",
        "acc_r": "Acc_r",
        "acc_o": "Acc_o",
        "acc_o_worst": "Acc_o, worst class",
        "acc_m": "Acc_m",
        "h": "H",
    }

    def missing(self, case: Case) -> str | None:
        """Needs test images of a class of the request or of a retained one."""
        there = case.view.test.among({*case.forget, *case.retain}).any()
        return None if there else "needs test images of the request's or of retained classes"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The rates with Wilson intervals; H has none, as it is no rate."""
        rows: list[tuple[str, Collection[int], Aim]] = [
            ("acc_f", case.forget, "low"),
            ("acc_r", case.retain, "high"),
            ("acc_o", case.earlier, "low"),
            ("acc_m", case.missing, "high"),
        ]
        readings = {reading.key: reading for row in rows for reading in self._rates(case, *row)}
        acc_f, acc_r = readings.get("acc_f"), readings.get("acc_r")
        if acc_f is None or acc_r is None:
            return tuple(readings.values())
        before = accuracy_of(case.original.test.logits, case.original.test.labels, case.forget).percent
        h = harmonic_mean(acc_r.value, before - acc_f.value)
        return (*readings.values(), Reading("h", h, "%", acc_f.n + acc_r.n, aim="high"))

    def _rates(self, case: Case, key: str, classes: Collection[int], aim: Aim) -> Iterator[Reading]:
        """The rate over all of `classes` and, of what should be gone, that of the worst one."""
        test = case.view.test
        rate = accuracy_of(test.logits, test.labels, classes)
        if rate.n:
            yield _reading(key, rate, aim)
        if aim == "low" and (one := worst(accuracy_of(test.logits, test.labels, [label]) for label in classes)):
            yield _reading(f"{key}_worst", one, aim)


def _reading(key: str, rate: Rate, aim: Aim) -> Reading:
    interval = wilson(rate.hits, rate.n)
    return Reading(key, rate.percent, "%", rate.n, interval.low, interval.high, aim)
