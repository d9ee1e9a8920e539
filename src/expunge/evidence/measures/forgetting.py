"""Accuracy of what is forgotten, of what stays, and H: required, and easily met by a mask on the head."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from expunge.evidence.measures._rates import rate_rows
from expunge.evidence.protocol import Case, Reading


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
        """The rates with Wilson intervals, and H."""
        now, before = (case.task.scores(view.test, case.test) for view in (case.view, case.original))
        return tuple(rate_rows(now, before, case).values())
