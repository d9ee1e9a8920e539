"""What a run on a detector starts from: the untouched detector in every row, and no test scene for a method."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from expunge.adapters import Edit, EditStack
from expunge.data import Scenes, Splits
from expunge.evidence.measures.average_precision import AveragePrecision
from expunge.methods.head_mask import HeadMask
from expunge.runs import forget, read
from expunge.runs.comparing import ModelComparison
from expunge.runs.measuring import measure_models
from expunge.tasks.detection._scenes import align_scenes
from expunge.tasks.detection.average_precision import average_precision
from expunge.vision.detection import DetectionModel, load_detector
from expunge.vision.detection.scene_states import SceneCache, look
from tests.runs.detection.coco_folder import write_coco_folder
from tests.vision.detection.detectors import CLASSES, KINDS, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Conditional DETR of random weights. Do not write to it."""
    return write(KINDS[2], tmp_path_factory.mktemp("random-detector") / "detector")


@pytest.fixture(scope="module")
def original(folder: Path) -> DetectionModel:
    return load_detector(folder)


@pytest.fixture(scope="module")
def data(original: DetectionModel, tmp_path_factory: pytest.TempPathFactory) -> Splits[Scenes]:
    """Scenes whose objects the detector finds, two of them held out."""
    folder = write_coco_folder(tmp_path_factory.mktemp("scenes") / "coco", original)
    made = align_scenes(read(folder), CLASSES)
    return replace(made, train=made.train.select([0, 1, 4]), validation=made.train.select([2, 3]))


def test_before_is_the_untouched_detector_in_every_row(
    folder: Path, original: DetectionModel, data: Splits[Scenes]
) -> None:
    each = average_precision(look(SceneCache(original), data.test).found(), data.test)
    ant, bee, cat = (pytest.approx(one.ap50, abs=0.01) for one in each)
    assert min(one.ap50 or 0.0 for one in each) > 20
    first, second = forget(folder, data, [["ant"], ["bee"]], method=HeadMask()).metrics.requests
    assert first.acc_f.before == ant
    assert (second.acc_f.before, second.acc_r.before) == (bee, cat)
    assert second.acc_o is not None
    assert second.acc_o.before == ant


def test_a_mask_alone_leaves_every_object_in_the_weights(folder: Path, data: Splits[Scenes]) -> None:
    first, second = forget(folder, data, [["ant"], ["bee"]], method=HeadMask()).metrics.requests
    for request in (first, second):
        assert request.acc_f.after == 0
        assert request.weights_alone is not None
        assert request.weights_alone.acc_f.after == pytest.approx(request.acc_f.before, abs=0.01)
        assert request.weights_alone.h < 1
    assert second.weights_alone is not None
    assert second.acc_o is not None
    assert second.weights_alone.acc_o is not None
    assert second.weights_alone.acc_o.after == pytest.approx(second.acc_o.before, abs=0.01)


def test_no_run_gives_a_method_a_test_scene(folder: Path, data: Splits[Scenes]) -> None:
    given: list[Any] = []

    class Spy(HeadMask):
        def forget(self, context: Any, task: Any) -> Edit:
            given.append(task)
            return super().forget(context, task)

    forget(folder, data, [["ant"], ["bee"]], method=Spy())
    assert [len(task.validation) for task in given] == [2, 2]
    seen = {s.sample for task in given for part in (task.forget, task.retain, task.validation) for s in part.scenes}
    assert seen == {scene.sample for part in (data.train, data.validation) for scene in part.scenes}
    assert not seen & {scene.sample for scene in data.test.scenes}


def test_what_a_detector_lost_is_counted_from_the_original(
    folder: Path, original: DetectionModel, data: Splits[Scenes]
) -> None:
    masked = load_detector(folder)
    EditStack(masked).push(Edit(masked=(0,)))
    card = measure_models(ModelComparison(original, masked, ("ant",)), data, (AveragePrecision(),), data_name="noise")
    acc_f, acc_r, h = (card.row(key) for key in ("acc_f", "acc_r", "h"))
    assert acc_f is not None
    assert acc_r is not None
    assert h is not None
    assert acc_f.original is not None
    lost = acc_f.original - acc_f.value
    assert min(lost, acc_r.value) > 20
    assert h.value == pytest.approx(2 * acc_r.value * lost / (acc_r.value + lost), abs=0.01)
    assert h.original == 0
