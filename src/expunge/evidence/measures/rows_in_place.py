"""Rates of the weights alone: a struck row hides a class from the answers, and is put back in an instant."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from expunge.evidence.measures.average_precision import AveragePrecision
from expunge.evidence.measures.forgetting import Forgetting
from expunge.evidence.protocol import Case, Measure, Reading

_GIVEN = ("acc_f", "acc_f_worst", "acc_o", "acc_o_worst", "h")


@dataclass(frozen=True)
class RowsInPlace:
    """Rows of `forgetting` again, with the original head's rows put back for all classes forgotten so far.

    An edit may strike a class's row, or move it; whoever has the public original has the row that was there. What the
    weights below the head still know of the class is what that row finds. Rows of classes that stay are left as they
    are in the model under test, so H is that of the model with these rows in it, Acc_r of that model included. An
    oracle was made by no edit, and the original's row means nothing among its features: it keeps its own rows.
    """

    name: ClassVar[str] = "rows-in-place"
    summary: ClassVar[str] = (
        "accuracy on forgotten classes by the weights alone, with the original head's rows put back"
    )
    source: ClassVar[str] = "after arXiv 2604.08271 on forgetting by the head alone; definition: ours"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        f"rows_in_place_{key}": f"{Forgetting.labels[key]}, rows in place" for key in _GIVEN
    }

    def missing(self, case: Case) -> str | None:
        """Needs the original's head, an embedding as wide as it, and test images of a forgotten class."""
        if case.rows is None:
            return "needs the original's head"
        if case.view.test.embedding.shape[1] != case.rows.width:
            return "needs embeddings as wide as the original's"
        return None if case.view.test.among(case.forgotten).any() else "needs test images of a forgotten class"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The rates with their intervals, and H, from what the head is given: the model is not run again."""
        if case.rows is None:
            return ()
        test = case.task.in_place(case.view.test, case.rows, case.forgotten)
        found = {row.key: row for row in self._rates().measure(replace(case, view=replace(case.view, test=test)))}
        return tuple(replace(found[key], key=f"rows_in_place_{key}") for key in _GIVEN if key in found)

    def _rates(self) -> Measure:
        return Forgetting()


@dataclass(frozen=True)
class RowsInPlaceOfDetectors(RowsInPlace):
    """The same of a detector, in AP50: every query is read by the rows that were there.

    Rows of "nothing is here" are left as they are in the detector under test, too.

    Attributes:
        draws: How often scenes are drawn for the intervals.
    """

    draws: int = 200

    summary: ClassVar[str] = (
        "AP50 of forgotten classes by the weights alone, with the original classifier's rows put back"
    )
    tasks: ClassVar[tuple[str, ...]] = ("detection",)
    labels: ClassVar[Mapping[str, str]] = {
        f"rows_in_place_{key}": f"{AveragePrecision.labels[key]}, rows in place" for key in _GIVEN
    }

    def missing(self, case: Case) -> str | None:
        """Needs the original's classifier, features of all queries as wide as it, and objects to count on."""
        if case.rows is None:
            return "needs the original's classifier"
        features = case.view.test.features
        if features is None:
            return "needs the features of all queries"
        if features.shape[2] != case.rows.width:
            return "needs features as wide as the original's"
        return self._rates().missing(case)

    def _rates(self) -> Measure:
        return AveragePrecision(self.draws)
