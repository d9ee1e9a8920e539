"""Detectors on a backbone of timm, as the published DETR and Deformable DETR have one."""

import dataclasses
from pathlib import Path

import pytest
import torch
import transformers

from expunge.adapters import EditStack
from expunge.methods import make_method
from expunge.tasks.detection.context import SceneContext
from expunge.vision.detection import DetectionModel, load_detector
from expunge.vision.detection.scene_states import SceneCache
from tests.methods.detection.little import little_task
from tests.vision.detection import detectors
from tests.vision.detection.detectors import Kind, pixels, write

pytest.importorskip("timm")

TIMM = {"use_timm_backbone": True, "use_pretrained_backbone": False, "backbone": "resnet18"}
BODY = {**detectors.BODY, "encoder_layers": 2}


def detr() -> transformers.PreTrainedModel:
    return transformers.DetrForObjectDetection(transformers.DetrConfig(**TIMM, **BODY))


def deformable() -> transformers.PreTrainedModel:
    config = transformers.DeformableDetrConfig(**TIMM, num_feature_levels=3, **BODY)
    return transformers.DeformableDetrForObjectDetection(config)


KINDS = {
    kind.name: dataclasses.replace(kind, build=build)
    for kind in detectors.KINDS
    for build in (detr, deformable)
    if kind.name == build.__name__
}


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def kind(request) -> Kind:
    return request.param


@pytest.fixture
def model(kind: Kind, tmp_path: Path) -> DetectionModel:
    return load_detector(write(kind, tmp_path / "detector"))


def test_blocks_and_classifier_are_found(kind, model) -> None:
    assert tuple(block.name for block in model.blocks) == kind.blocks
    assert all(block.linears == tuple(f"{block.name}.{one}" for one in kind.linears) for block in model.blocks)
    assert (model.head_name, model.kind) == (kind.head, kind.logits)
    assert model.decoder == (2, 3)


def test_a_pass_that_was_cut_says_what_the_whole_pass_says(kind, model) -> None:
    images = pixels()
    with torch.no_grad():
        module = model.module(pixel_values=images)
        whole = model(images)
        torch.testing.assert_close(whole.logits, module.logits, rtol=1e-4, atol=1e-4)
        for entry in range(len(model.blocks)):
            resumed = model.resume(model.enter(images, entry), entry)
            torch.testing.assert_close(resumed.logits, whole.logits, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(resumed.boxes, whole.boxes, rtol=1e-4, atol=1e-4)


def test_it_forgets_and_gets_every_bit_back(model) -> None:
    method = make_method("closed-form", task="detection")
    context = SceneContext(model, SceneCache(model, method.first_block(model)))
    before = model.digest()
    edit = method.forget(context, little_task())
    stack = EditStack(model)
    stack.push(edit)
    assert model.digest() != before
    stack.undo()
    assert model.digest() == before
    assert edit.masked == (0,)
    assert all(".layers." in name for name in edit.touched)
