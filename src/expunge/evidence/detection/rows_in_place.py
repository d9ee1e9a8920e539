"""Average precision of the weights alone: a struck row hides a class from the answers, and can be put back at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from expunge.errors import EvidenceError
from expunge.evidence.detection.average_precision import AveragePrecision
from expunge.evidence.detection.protocol import SceneCase
from expunge.evidence.protocol import Reading
from expunge.tasks.rows import HeadRows
from expunge.vision.scene_states import SceneView

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
        again = replace(case, view=replace(case.view, test=with_rows(test, case.rows, case.forgotten)))
        found = {row.key: row for row in AveragePrecision(self.draws).measure(again)}
        return tuple(replace(found[key], key=f"rows_in_place_{key}") for key in _GIVEN if key in found)


def with_rows(view: SceneView, rows: HeadRows, classes: Collection[int]) -> SceneView:
    """What a detector says with the rows of `classes` as they are in another classifier.

    Raises:
        EvidenceError: The view holds no features of its queries, or not as wide as that classifier reads them.
    """
    if view.features is None:
        raise EvidenceError("Expected the features of all queries, to put rows back. Look with features=True.")
    logits, features = view.logits.flatten(0, 1), view.features.flatten(0, 1)
    return replace(view, logits=rows.put_back(logits, features, classes).reshape(view.logits.shape))
