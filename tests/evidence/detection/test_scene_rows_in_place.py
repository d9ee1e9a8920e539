"""The original's rows put back in a detector: what is only struck is found again, what no query knows is not."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from expunge.adapters import Edit, EditStack
from expunge.evidence import Case
from expunge.evidence.measures.rows_in_place import RowsInPlaceOfDetectors as RowsInPlace
from expunge.tasks.detection.average_precision import average_precision
from expunge.tasks.detection.views import DetectionView, view_scenes
from expunge.tasks.rows import HeadRows
from expunge.vision.detection.scene_states import SceneCache, SceneView, look
from expunge.vision.heads import STRUCK_LOGIT
from tests.evidence.detection.made import NAMES, grid, nobody, view_of
from tests.methods.detection.little import TRAIN, little_model

TRUTH = grid(seed=3)


def head(scale: float = 8.0) -> nn.Linear:
    """Feature i says class i."""
    made = nn.Linear(len(NAMES), len(NAMES))
    with torch.no_grad():
        made.weight.copy_(scale * torch.eye(len(NAMES)))
        made.bias.fill_(-scale / 2)
    return made


HEAD = HeadRows(head(), len(NAMES))


def detector(*, lost: tuple[int, ...] = (), struck: tuple[int, ...] = ()) -> DetectionView:
    """One whose queries at objects hold the class's own feature, but for classes `lost`; `struck` ones are not said."""
    view = view_of(TRUTH, lost=lost)
    features = torch.zeros(*view.logits.shape[:2], len(NAMES))
    for number, scene in enumerate(TRUTH.scenes):
        for query, box in enumerate(scene.boxes):
            features[number, query, box.label] = float(box.label not in lost)
    logits = HEAD.read(features.flatten(0, 1)).reshape(features.shape).clone()
    logits[..., list(struck)] = STRUCK_LOGIT
    return DetectionView(view.objects, replace(view, logits=logits, features=features))


UNTOUCHED = detector()


def case(view: DetectionView, **changes: object) -> Case:
    given: dict[str, Any] = {"forget": (0,), "earlier": (1,), "retain": (2, 3), "rows": HEAD} | changes
    return Case(model=nobody(), view=view, original=UNTOUCHED, oracle=None, attack=TRUTH, test=TRUTH, **given)


def values(under_test: Case) -> dict[str, float]:
    rows = RowsInPlace(draws=2).measure(under_test)
    assert {row.key for row in rows} <= set(RowsInPlace.labels)
    return {row.key: row.value for row in rows}


def test_a_struck_class_is_found_again() -> None:
    masked = detector(struck=(0, 1))
    assert average_precision(masked.test.found(), TRUTH)[0].ap50 == 0
    found = values(case(masked))
    assert found["rows_in_place_acc_f"] == pytest.approx(100, abs=1e-3)
    assert found["rows_in_place_acc_o"] == pytest.approx(100, abs=1e-3)
    assert found["rows_in_place_h"] == pytest.approx(0, abs=1e-3)


def test_a_class_that_no_query_knows_is_not() -> None:
    found = values(case(detector(lost=(0, 1), struck=(0, 1))))
    # Queries that say nothing tie: in all scenes 80 at no object and 30 or so at either class. Chance is 30 / 140.
    assert found["rows_in_place_acc_f"] < 35
    assert found["rows_in_place_acc_o"] < 35


def test_the_worst_class_is_not_hidden_by_the_mean() -> None:
    found = values(case(detector(lost=(0,), struck=(0, 1)), forget=(0, 1), earlier=()))
    assert found["rows_in_place_acc_f_worst"] == pytest.approx(100, abs=1e-3)
    assert found["rows_in_place_acc_f"] < 70
    assert "rows_in_place_acc_o" not in found


def test_only_forgotten_rows_are_put_back() -> None:
    """A detector that says nothing but ants keeps to that: its rows of classes that stay are its own."""
    view = detector(struck=(0, 2, 3))
    found = values(case(view, earlier=()))
    assert found["rows_in_place_acc_f"] == pytest.approx(100, abs=1e-3)
    assert found["rows_in_place_h"] == 0  # nothing that stays is found, nothing is forgotten


def test_measuring_leaves_the_view_as_it_was() -> None:
    view = detector(struck=(0, 1))
    before = view.test.logits.clone()
    values(case(view))
    assert torch.equal(view.test.logits, before)


@pytest.mark.parametrize("kind", ["deformable-two-stage", "detr"])
def test_the_kept_rows_are_the_detector_s_own_whatever_an_edit_does(kind: str) -> None:
    model = little_model(kind)
    rows, seen = HeadRows.of(model), view_scenes(model, TRAIN, TRAIN)
    stack = EditStack(model)
    stack.push(Edit(masked=(0, 2)))
    now = view_scenes(model, TRAIN, TRAIN).test
    stack.undo()
    assert now.features is not None
    assert (now.logits[..., 0] < -9000).all()
    back = rows.put_back(now.logits.flatten(0, 1), now.features.flatten(0, 1), (0, 2))
    torch.testing.assert_close(back.reshape(now.logits.shape), seen.test.logits)


def test_features_of_all_queries_are_kept_where_asked() -> None:
    cache = SceneCache(little_model("detr"), batch_size=4)
    plain: SceneView = look(cache, TRAIN)
    assert plain.features is None
    full = look(cache, TRAIN, features=True)
    assert full.features is not None
    assert torch.equal(full.logits, plain.logits)
    objects, where = full.objects, full.objects.scenes
    for row, scene in zip(objects.features, where.tolist(), strict=True):
        assert bool((full.features[scene] == row).all(1).any())


def test_says_what_it_needs() -> None:
    measure, whole = RowsInPlace(), case(UNTOUCHED)
    assert measure.missing(whole) is None
    assert measure.missing(replace(whole, rows=None)) == "needs the original's classifier"
    other = HeadRows(nn.Linear(7, 4), 7)
    assert measure.missing(replace(whole, rows=other)) == "needs features as wide as the original's"
    bare = replace(UNTOUCHED, test=replace(UNTOUCHED.test, features=None))
    assert measure.missing(replace(whole, view=bare)) == "needs the features of all queries"
    nothing = replace(whole, test=TRUTH.without([0]))
    assert measure.missing(nothing) == "needs test objects of a class of the request"
