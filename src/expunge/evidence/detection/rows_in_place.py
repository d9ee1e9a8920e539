"""Average precision of the weights alone: a struck row hides a class from the answers, and can be put back at once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from expunge.evidence.detection.average_precision import AveragePrecision
from expunge.evidence.detection.protocol import SceneCase
from expunge.evidence.protocol import Reading

_GIVEN = ("acc_f", "acc_f_worst", "acc_o", "acc_o_worst", "h")


@dataclass(frozen=True)
class RowsInPlace:
    """Rows of `average-precision` again, with the original classifier's rows put back for all classes forgotten so far.

    The twin of `expunge.evidence.measures.rows_in_place.RowsInPlace`: every query is read by the rows that whoever has
    the public original has. Rows of classes that stay, and of "nothing is here", are left as they are in the detector
    under test; an oracle keeps its own.

    Attributes:
        draws: How often scenes are drawn for the intervals.
    """

    draws: int = 200

    name: ClassVar[str] = "rows-in-place"
    summary: ClassVar[str] = (
        "AP50 of forgotten classes by the weights alone, with the original classifier's rows put back"
    )
    source: ClassVar[str] = "after arXiv 2604.08271 on forgetting by the head alone; definition: ours"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        f"rows_in_place_{key}": f"{AveragePrecision.labels[key]}, rows in place" for key in _GIVEN
    }

    def missing(self, case: SceneCase) -> str | None:
        """Needs the original's classifier, features of all queries as wide as it, and objects to count on."""
        if case.rows is None:
            return "needs the original's classifier"
        features = case.view.test.features
        if features is None:
            return "needs the features of all queries"
        if features.shape[2] != case.rows.width:
            return "needs features as wide as the original's"
        return AveragePrecision().missing(case)

    def measure(self, case: SceneCase) -> tuple[Reading, ...]:
        """AP50 of this request's and of earlier classes, and H, from the view's features: nothing is run again."""
        test = case.view.test
        if case.rows is None or test.features is None:
            return ()
        logits, features = test.logits.flatten(0, 1), test.features.flatten(0, 1)
        mixed = case.rows.put_back(logits, features, case.forgotten).reshape(test.logits.shape)
        again = replace(case, view=replace(case.view, test=replace(test, logits=mixed)))
        found = {row.key: row for row in AveragePrecision(self.draws).measure(again)}
        return tuple(replace(found[key], key=f"rows_in_place_{key}") for key in _GIVEN if key in found)
