"""Two models side by side, with and without an oracle."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from expunge.adapters import Edit, EditStack
from expunge.data import Splits
from expunge.errors import (
    AlreadyForgottenError,
    ClassMismatchError,
    DuplicateClassError,
    EmptyClassError,
    EvidenceError,
    NothingRetainedError,
    RequestError,
    TooFewImagesError,
    UnknownClassError,
)
from expunge.evidence import make_measure
from expunge.evidence.scorecard import Scorecard
from expunge.runs import Stage, load, read
from expunge.runs.measuring import Comparison, ShadowModels, known_keys, measure_models
from expunge.vision import VisionModel
from tests import toy

QUICK = tuple(make_measure(name) for name in ("forgetting", "linear-probe", "js-divergence"))


@pytest.fixture(scope="module")
def original(toy_model_folder: Path) -> VisionModel:
    return load(toy_model_folder, device="cpu")


@pytest.fixture(scope="module")
def masked(toy_model_folder: Path) -> VisionModel:
    model = load(toy_model_folder, device="cpu")
    EditStack(model).push(Edit(masked=(0, 1)))
    return model


@pytest.fixture(scope="module")
def data(toy_data_folder: Path) -> Splits:
    return read(toy_data_folder)


def nudged(model: VisionModel) -> VisionModel:
    """Another model, to the last bit but one the same."""
    other = VisionModel(
        deepcopy(model.module), model.classes, preprocess=model.preprocess, name="nudged", source=model.source
    )
    with torch.no_grad():
        other.linear(other.head_name).bias.add_(1e-3)
    return other


def measured(compared: Comparison, data: Splits, **more: Any) -> Scorecard:
    return measure_models(compared, data, QUICK, data_name="stripes", **more)


def test_shadow_models_let_u_lira_ask(original: VisionModel, masked: VisionModel, data: Splits) -> None:
    """The original among shadows that forgot by a mask and others that never learnt: it is told by both."""
    stages: list[Stage] = []
    shadows = ShadowModels([lambda: masked] * 4, [lambda: nudged(masked)] * 4)
    compared = Comparison(original, masked, ("amber",))
    card = measure_models(
        compared, data, [make_measure("u-lira")], data_name="stripes", shadows=shadows, report=stages.append
    )
    row = card.row("u_lira_auc")
    assert row is not None
    assert row.n == toy.TRAIN
    assert [stage.progress.note for stage in stages].count("shadow model: running the images") == 8
    assert measure_models(compared, data, [make_measure("u-lira")], data_name="stripes").skipped["u-lira"]


def test_a_shadow_model_of_other_classes_is_refused(original: VisionModel, masked: VisionModel, data: Splits) -> None:
    other = VisionModel(
        masked.module, masked.classes[::-1], preprocess=masked.preprocess, name="turned", source=masked.source
    )
    with pytest.raises(ClassMismatchError, match="classes of the shadow model"):
        measured(Comparison(original, masked, ("amber",)), data, shadows=ShadowModels([lambda: other], []))


def test_the_same_rows_of_every_model(original: VisionModel, masked: VisionModel, data: Splits) -> None:
    stages: list[Stage] = []
    compared = Comparison(
        original, masked, ("amber",), ("blue",), ("fern",), oracles=(nudged(masked), nudged(original))
    )
    card = measured(compared, data, report=stages.append)
    acc_f, acc_o, acc_m, probe = (card.row(key) for key in ("acc_f", "acc_o", "acc_m", "linear_probe"))
    assert acc_f is not None
    assert (acc_f.value, acc_f.n) == (0.0, toy.TEST)
    assert acc_f.original is not None
    assert acc_f.original > 80
    assert acc_f.oracle == pytest.approx(acc_f.original / 2)  # the mean of the two
    h = card.row("h")
    assert h is not None
    assert h.value > 80  # what was lost is counted from the original's accuracy
    assert h.original == 0
    assert acc_o is not None
    assert acc_m is not None
    assert probe is not None
    assert probe.value == probe.original  # struck logits change no feature
    # The first oracle is what measures may look at: it answers as the masked model does.
    js = card.row("js_forget")
    assert js is not None
    assert js.value == pytest.approx(0.0, abs=1e-6)
    assert (card.forgotten, card.earlier, card.missing, card.data) == (("amber",), ("blue",), ("fern",), "stripes")
    assert card.images == (6 * toy.TRAIN, 6 * toy.TEST)
    assert card.edited.sha256 == masked.digest() != card.original.sha256 == original.digest()
    assert [o.sha256 for o in card.oracles] == [nudged(model).digest() for model in (masked, original)]
    done = [stage.progress.done for stage in stages]
    assert done == list(range(4 * 4 + 1))
    assert stages[-1].progress.total == 16


@pytest.mark.parametrize("which", ["edited", "original"])
def test_a_model_under_test_is_no_oracle(original: VisionModel, masked: VisionModel, data: Splits, which: str) -> None:
    oracle = masked if which == "edited" else original
    with pytest.raises(EvidenceError, match=f"is the {which} model, bit for bit"):
        measured(Comparison(original, masked, ("amber",), oracles=(nudged(original), oracle)), data)


def test_named_classes_without_test_images_are_noted(original: VisionModel, masked: VisionModel, data: Splits) -> None:
    some = Splits(data.train, data.validation, data.test.without([1, 5]))
    card = measured(Comparison(original, masked, ("amber",), ("blue",), ("elm", "fern")), some)
    assert card.row("acc_o") is None
    assert card.skipped["acc_o"] == "no test image of 1 of 1 classes that are forgotten earlier"
    assert card.skipped["acc_m"] == "no test image of 1 of 2 classes that are missing"


def test_without_an_oracle(original: VisionModel, masked: VisionModel, data: Splits) -> None:
    card = measured(Comparison(original, masked, ("amber", "blue")), data)
    assert all(row.oracle is None and row.gap is None for row in card.rows)
    assert card.skipped == {"js-divergence": "needs an oracle"}


def test_the_same_model_twice_has_lost_nothing(original: VisionModel, data: Splits) -> None:
    card = measured(Comparison(original, original, ("amber",)), data)
    assert all(row.value == row.original for row in card.rows)


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        ({"forgotten": ("zebra",)}, UnknownClassError, "'zebra', named as forgotten"),
        ({"forgotten": ("amber", "amber")}, DuplicateClassError, "forgotten twice"),
        ({"forgotten": ()}, RequestError, "at least one forgotten class"),
        ({"forgotten": ("amber",), "earlier": ("amber",)}, AlreadyForgottenError, "'amber' is both"),
        ({"forgotten": ("amber",), "missing": ("amber",)}, RequestError, "both forgotten and missing"),
        ({"forgotten": toy.CLASSES}, NothingRetainedError, "all 6 classes"),
    ],
)
def test_classes_that_cannot_be(
    classes: dict[str, Any], error: type[Exception], message: str, original: VisionModel, data: Splits
) -> None:
    with pytest.raises(error, match=message):
        measured(Comparison(original, original, **classes), data)


def test_models_with_other_classes(original: VisionModel, data: Splits, toy_model_folder: Path) -> None:
    other = load(toy_model_folder, device="cpu")
    other.classes = ("oak", *toy.CLASSES[1:])
    with pytest.raises(ClassMismatchError, match=r"the edited model .* differ in amber, oak"):
        measured(Comparison(original, other, ("blue",)), data)
    other.classes = tuple(reversed(toy.CLASSES))
    with pytest.raises(ClassMismatchError, match=r"the oracle model .* in another order"):
        measured(Comparison(original, original, ("blue",), oracles=(other,)), data)


def test_images_that_are_not_there(original: VisionModel, data: Splits) -> None:
    none_left = Splits(data.train, data.validation, data.test.without([0]))
    with pytest.raises(TooFewImagesError, match="forgotten class 'amber' has no test image"):
        measured(Comparison(original, original, ("amber",)), none_left)
    alone = Splits(data.train.only([0]), data.validation.only([0]), data.test)
    with pytest.raises(TooFewImagesError, match="no class that stays has a training image"):
        measured(Comparison(original, original, ("amber",)), alone, partial=True)
    with pytest.raises(EmptyClassError, match="without training images"):
        measured(Comparison(original, original, ("amber",)), alone)


def test_every_key_has_a_name() -> None:
    assert {"acc_f", "linear_probe", "cmia_auc", "int8_linear_probe", "anamnesis_index"} <= known_keys()
