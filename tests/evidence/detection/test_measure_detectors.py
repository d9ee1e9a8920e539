"""Detectors side by side: the scorecard, what the policy says of it, and how it is shown."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from expunge.adapters import Edit, EditStack
from expunge.data import Box, Scene, Scenes, Splits
from expunge.errors import ClassMismatchError, EvidenceError, NothingRetainedError, TooFewImagesError, UnknownClassError
from expunge.evidence import Case, Measure, Reading, make_measure
from expunge.evidence.measures.average_precision import AveragePrecision
from expunge.evidence.measures.linear_probe import LinearProbe
from expunge.evidence.measures.prototype_relearning import PrototypeRelearning
from expunge.evidence.measures.relabelling import Relabelling
from expunge.evidence.policy import load_policy
from expunge.evidence.protocol import take
from expunge.evidence.scorecard import ModelName, Scorecard, make_rows
from expunge.evidence.scorecard_figure import render_figure
from expunge.evidence.scorecard_page import render_markdown, render_page
from expunge.evidence.verdict import judge
from expunge.runs import Stage
from expunge.runs.measuring import Comparison, known_keys, measure_models
from expunge.tasks.detection.views import DetectionView, view_scenes
from expunge.vision.detection import DetectionModel
from expunge.vision.detection.scene_states import SceneCache
from tests.evidence.detection.made import NAMES, grid, nobody, view_of
from tests.vision.detection.detectors import CLASSES, KINDS, load, picture

MEASURES: tuple[Measure, ...] = (
    AveragePrecision(),
    Relabelling(),
    LinearProbe(decay=0.01),
    PrototypeRelearning(),
)
TRUTH, ATTACK = grid(), grid(seed=4)


class Picture:
    """A picture of noise."""

    def __init__(self, part: str, number: int):
        self.name, self._seed = f"{part}/{number}", number

    def load(self) -> Image.Image:
        return picture(seed=self._seed)


def pictures(part: str, n: int, *, per: int = 3, classes: tuple[str, ...] = CLASSES) -> Scenes:
    """Scenes of 50 x 40 pixels, every class in each."""
    boxes = [Box((4.0 + 15 * i, 4.0, 16.0 + 15 * i, 30.0), i) for i in range(per)]
    return Scenes(tuple(Scene(Picture(part, i), 50, 40, tuple(boxes)) for i in range(n)), classes)


DATA = Splits(pictures("train", 3), pictures("validation", 1), pictures("test", 3))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> DetectionModel:
    return load(KINDS[2], tmp_path_factory.mktemp("conditional"))


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> DetectionModel:
    model = load(KINDS[2], tmp_path_factory.mktemp("masked"))
    EditStack(model).push(Edit(masked=(0,)))
    return model


def measured(compared: Comparison, data: Splits[Scenes] = DATA, **more: Any) -> Scorecard:
    return measure_models(compared, data, MEASURES, data_name="noise", **more)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> DetectionModel:
    """The original with other logits."""
    model = load(KINDS[2], tmp_path_factory.mktemp("oracle"))
    with torch.no_grad():
        model.linear(model.head_name).bias.add_(1e-3)
    return model


def test_a_model_under_test_is_no_oracle(original: DetectionModel, masked: DetectionModel) -> None:
    with pytest.raises(EvidenceError, match="is the original model"):
        measured(Comparison(original, masked, ("ant",), oracles=(original,)))


def test_a_scorecard_of_detectors(original: DetectionModel, masked: DetectionModel, oracle: DetectionModel) -> None:
    stages: list[Stage] = []
    compared = Comparison(original, masked, ("ant",), ("bee",), oracles=(oracle,))
    card = measured(compared, report=stages.append)
    assert (card.task, card.data, card.images, card.classes) == ("detection", "noise", (4, 3), CLASSES)
    assert (card.forgotten, card.earlier, card.retained) == (("ant",), ("bee",), ("cat",))
    assert card.edited.sha256 == masked.digest() != card.original.sha256
    probe, ap = card.row("linear_probe"), card.row("acc_f")
    assert probe is not None
    assert probe.value == probe.original == probe.oracle  # a struck logit changes no feature
    assert probe.n == 6  # two classes in three scenes
    assert ap is not None
    assert (ap.label, ap.value, ap.n) == ("AP50_f", 0.0, 3)
    assert [stage.progress.done for stage in stages] == list(range(3 * 5 + 1))
    assert Scorecard.parse(card.to_json()) == card
    assert '"task": "detection"' in card.to_json()


def test_classes_and_scenes_that_cannot_be(original: DetectionModel, tmp_path: Path) -> None:
    for names, error, message in (
        (("zebra",), UnknownClassError, "'zebra', named as forgotten"),
        (CLASSES, NothingRetainedError, "all 3 classes"),
    ):
        with pytest.raises(error, match=message):
            measured(Comparison(original, original, names))
    for part in ("train", "test"):
        kept = replace(DATA, **{part: getattr(DATA, part).without([0])}, validation=DATA.validation.without([0]))
        kind = "training" if part == "train" else "test"
        with pytest.raises(TooFewImagesError, match=f"'ant' has no {kind} object"):
            measured(Comparison(original, original, ("ant",)), kept)
    alone = replace(DATA, test=DATA.test.without([1, 2]))
    with pytest.raises(TooFewImagesError, match="no class that stays has a test object"):
        measured(Comparison(original, original, ("ant",)), alone)


def test_classes_that_differ(original: DetectionModel, masked: DetectionModel) -> None:
    train, validation, test = (
        pictures(part, 2, per=2, classes=CLASSES[:2]) for part in ("train", "validation", "test")
    )
    fewer = Splits(train, validation, test)
    with pytest.raises(ClassMismatchError, match=r"lack 1 of the detector's 3 classes \('cat'\)"):
        measured(Comparison(original, original, ("ant",)), fewer)
    card = measured(Comparison(original, original, ("bee",)), fewer, partial=True)
    assert all(row.value == row.original for row in card.rows)
    masked.classes = ("wasp", *CLASSES[1:])
    with pytest.raises(ClassMismatchError, match=r"the edited model .* differ in ant, wasp"):
        measured(Comparison(original, masked, ("bee",)))
    masked.classes = CLASSES


def test_a_view_with_and_without_a_cache(original: DetectionModel) -> None:
    plain = view_scenes(original, DATA.train, DATA.test)
    cached = view_scenes(SceneCache(original, entry=2), DATA.train, DATA.test)
    assert plain.attack.labels.tolist() == [0, 1, 2] * 3
    assert plain.attack.scenes.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    torch.testing.assert_close(plain.attack.features, cached.attack.features)
    torch.testing.assert_close(plain.test.logits, cached.test.logits)


@cache
def made_readings() -> dict[str, tuple[Reading, ...]]:
    """What is measured of made-up detectors."""
    untouched = DetectionView(view_of(ATTACK, seed=1).objects, view_of(TRUTH))
    gone = DetectionView(view_of(ATTACK, seed=1, lost=(0,)).objects, view_of(TRUTH, lost=(0,)))
    head_only = replace(untouched, test=replace(gone.test, objects=untouched.test.objects))
    views = {"untouched": untouched, "gone": gone, "head mask": head_only}
    sets: dict[str, Any] = {"forget": (0,), "earlier": (), "retain": (1, 2, 3)}
    case = Case(nobody(), untouched, untouched, gone, ATTACK, TRUTH, **sets)
    return {how: take(replace(case, view=view), MEASURES)[0] for how, view in views.items()}


def made_card(how: str, *, oracle: bool) -> Scorecard:
    """A scorecard of a made-up detector, as `measure_models` makes it; with rows put back a mask hides nothing."""
    readings, alone = made_readings(), {"untouched": "untouched", "head mask": "untouched", "gone": "gone"}
    placed = {
        name: [*readings[name], *(replace(r, key=f"rows_in_place_{r.key}") for r in readings[of] if r.key == "acc_f")]
        for name, of in alone.items()
    }
    name = ModelName(name="made up", sha256="0" * 64)
    return Scorecard(
        task="detection",
        edited=name,
        original=name,
        oracles=(name,) if oracle else (),
        data="grid",
        classes=NAMES,
        forgotten=("ant",),
        images=(40, 40),
        seed=0,
        rows=make_rows(
            (*MEASURES, make_measure("rows-in-place", task="detection")),
            placed[how],
            placed["untouched"],
            [placed["gone"]] if oracle else (),
        ),
    )


@pytest.mark.parametrize(
    ("how", "oracle", "outcome"),
    [
        ("untouched", True, "not_erased"),
        ("head mask", True, "not_erased"),
        ("gone", True, "erased"),
        ("head mask", False, "not_erased"),  # with its rows put back it knows all
        ("gone", False, "not_enough_evidence"),  # without an oracle or strangers nobody knows what else is left
    ],
)
def test_what_the_policy_says(how: str, oracle: bool, outcome: str) -> None:
    card = made_card(how, oracle=oracle)
    rules = load_policy(task="detection", known=known_keys(task="detection"))
    assert rules.name == "detection"
    assert judge(card, rules).outcome == outcome
    assert judge(card, load_policy()).outcome == outcome  # a policy made for classifiers can be held against it, too


def test_few_objects_prove_nothing() -> None:
    card = made_card("gone", oracle=True)
    few = tuple(row.model_copy(update={"n": 15}) if row.key == "acc_f" else row for row in card.rows)
    verdict = judge(card.model_copy(update={"rows": few}), load_policy(task="detection"))
    assert verdict.outcome == "not_enough_evidence"
    assert "15 objects, where 16 are needed" in [reason.note for reason in verdict.reasons]


def test_how_it_is_shown() -> None:
    card = made_card("gone", oracle=True)
    verdict = judge(card, load_policy(task="detection"))
    figure, page, text = render_figure(card, verdict), render_page(card, verdict), render_markdown(card, verdict)
    for shown in (figure, page):
        assert all(label in shown for label in ("AP50_f", "AP50_r", "found under another name", "not found at all"))
    headings = re.findall(r'class="sc-head"[^>]*>([^<]+)', figure)
    assert headings == ["What the model answers", "What stays", "Where the objects are", "What its features still know"]
    assert "40 scenes to attack with, 40 scenes to count on" in page
    assert "| AP50\\_f (%) | 0.0 | 0.0 to 0.0 | 100.0 | 0.0 | 0.0 |" in text
