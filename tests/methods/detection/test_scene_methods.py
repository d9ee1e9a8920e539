"""What every method for detectors must do, on a detector of each sort."""

import dataclasses
import functools
import math

import pytest
import torch

from expunge.adapters import Edit, EditStack
from expunge.errors import MethodError
from expunge.methods import Method, make_method, method_class, method_names, method_presets
from expunge.tasks.detection._losses import answers_loss
from expunge.tasks.detection.batches import outputs
from expunge.vision.detection import DetectionModel, targets_of
from tests.methods.detection.little import NOTHING, QUICK, context_of, little_task

NAMES = method_names("detection")
make, class_of = functools.partial(make_method, task="detection"), functools.partial(method_class, task="detection")
EVERY = pytest.mark.parametrize("name", NAMES)
STRIKE = ("closed-form", "closed-form++", "head-mask")
TRAINED = pytest.mark.parametrize("name", [name for name in NAMES if name not in STRIKE])
SORTS = pytest.mark.parametrize("sort", ["two_stage", "plain"])


@pytest.fixture
def model(sort: str, two_stage: DetectionModel, plain: DetectionModel) -> DetectionModel:
    return two_stage if sort == "two_stage" else plain


def settings_of(name: str) -> set[str]:
    return {field.name for field in dataclasses.fields(class_of(name))}


def quick(name: str, **settings: object) -> Method:
    known = settings_of(name)
    return make(name, settings={k: v for k, v in {**QUICK, **settings}.items() if k in known})


def forget(name: str, model: DetectionModel, *, seed: int = 0, **settings: object) -> Edit:
    method = quick(name, **settings)
    return method.forget(context_of(model, method.first_block(model), seed=seed), little_task())


@functools.cache
def once(name: str, model: DetectionModel) -> Edit:
    """The method's edit, and on the way whether it left the detector as it found it."""
    before, modules = model.digest(), list(model.module.named_modules())
    edit = forget(name, model)
    assert model.digest() == before, "the weights are not as they were"
    assert list(model.module.named_modules()) == modules
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert not any(part.training for part in model.module.modules())
    return edit


@EVERY
def test_describes_itself_and_its_presets_build(name) -> None:
    found = class_of(name)
    assert found.name == name
    assert found.summary
    assert "\n" not in found.summary
    assert found.source
    assert isinstance(make(name), Method)
    for preset in method_presets(name, task="detection"):
        make(name, preset=preset)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(make(name), "anything", 1)  # noqa: B010 - as a user would try


@EVERY
@SORTS
def test_leaves_the_detector_as_it_found_it(name, model) -> None:
    once(name, model)


@EVERY
@SORTS
def test_the_edit_fits_and_undo_restores_every_bit(name, model) -> None:
    edit, before, stack = once(name, model), model.digest(), EditStack(model)
    stack.push(edit)
    try:
        assert model.digest() != before
    finally:
        stack.undo()
    assert model.digest() == before
    assert edit.masked == ((0,) if name in STRIKE else ())


@EVERY
def test_same_seed_same_bytes(name, two_stage) -> None:
    first, second = once(name, two_stage), forget(name, two_stage)
    assert first.touched == second.touched
    assert all(torch.equal(one, other) for one, other in zip(first.tensors, second.tensors, strict=True))


@TRAINED
def test_another_seed_another_edit(name, two_stage) -> None:
    first, second = once(name, two_stage), forget(name, two_stage, seed=9)
    assert any(not torch.equal(one, other) for one, other in zip(first.tensors, second.tensors, strict=True))


@EVERY
@SORTS
def test_edits_only_blocks_of_encoder_and_decoder(name, model) -> None:
    edit = once(name, model)
    blocks = model.blocks[quick(name).first_block(model) :]
    assert all(parameter.startswith(tuple(f"{block.name}." for block in blocks)) for parameter in edit.touched)
    assert edit.touched or edit.masked
    if name.startswith("gs-lora"):
        assert set(edit.deltas) == {linear for block in model.blocks for linear in block.linears}


@TRAINED
def test_last_blocks_limits_the_edit(name, two_stage) -> None:
    method = quick(name, last_blocks=1)
    assert method.first_block(two_stage) == len(two_stage.blocks) - 1
    edit = forget(name, two_stage, last_blocks=1)
    assert edit.touched
    assert all(parameter.startswith(f"{two_stage.blocks[-1].name}.") for parameter in edit.touched)


BAD = {
    "lr": 0.0,
    "epochs": 0,
    "batch_size": 0,
    "validate_every": 0,
    "last_blocks": -1,
    "rank": 0,
    "lora_alpha": 0.0,
    "warmup": 1.5,
    "beta": -0.1,
    "bound": -1.0,
    "max_steps": -1,
    "strength": -0.1,
    "samples": -1,
    "clip": -1.0,
    "distillation": -1.0,
    "box_weight": -1.0,
    "temperature": 0.0,
    "logit_weight": -1.0,
    "label_weight": -1.0,
    "prototype_forget": -1.0,
    "prototype_retain": -1.0,
    "prototype_bound": -1.0,
    "ema_decay": 1.5,
    "ema_start": -0.5,
}


@EVERY
def test_settings_that_cannot_work_are_refused(name) -> None:
    for setting in settings_of(name) & set(BAD):
        with pytest.raises(MethodError, match=setting):
            make(name, settings={setting: BAD[setting]})


@EVERY
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_settings_that_are_no_finite_number_are_refused(name, value) -> None:
    for field in dataclasses.fields(class_of(name)):
        if isinstance(field.default, float):
            with pytest.raises(MethodError, match=f"{field.name} must be a finite number, got {value}"):
                make(name, settings={field.name: str(value)})


@EVERY
@pytest.mark.parametrize("side", ["forget", "retain"])
def test_a_request_without_a_scene_of_one_side_is_refused(name, side, two_stage) -> None:
    """The head mask looks at no scene."""
    method = quick(name)
    context, task = (
        context_of(two_stage, method.first_block(two_stage)),
        dataclasses.replace(little_task(), **{side: NOTHING}),
    )
    if name == "head-mask":
        assert method.forget(context, task).masked == task.targets
        return
    with pytest.raises(MethodError, match="there is no image of what"):
        method.forget(context, task)


HELD = {"distillation": 0.0, "strength": 0.0, "logit_weight": 0.0, "label_weight": 0.0, "prototype_retain": 0.0}
PUSHED = ("der", "der++", "ewc", "gs-lora", "gs-lora++", "l2", "lwf", "mas", "neg-grad+")
"""Methods with a loss on forget scenes: those that are trained, but for retraining."""


@pytest.mark.parametrize("name", PUSHED)
def test_forgetting_is_pushed(name, two_stage) -> None:
    """What the queries at the target say is further off than it was, where nothing much holds them."""
    task, context = little_task(validation=NOTHING), context_of(two_stage)
    targets, stack = targets_of(task.forget), EditStack(two_stage)

    def loss() -> float:
        return float(answers_loss(two_stage.criterion, outputs(context.activations, task.forget), targets))

    before = loss()
    stack.push(quick(name, beta=50.0, bound=50.0, lr=3e-3, max_steps=6, batch_size=4, **HELD).forget(context, task))
    try:
        assert loss() > before + 0.1
    finally:
        stack.undo()


def test_the_published_preset_holds_the_published_constants() -> None:
    expected = {"rank": 8, "epochs": 30, "max_steps": 0, "batch_size": 32, "lr": 3e-4, "beta": 0.15, "alpha": 3e-4}
    for name in ("gs-lora", "gs-lora++"):
        settings = vars(make(name, preset="published"))
        assert {key: settings[key] for key in expected} == expected
        assert settings["sparsity"] == "subgradient"
        assert (settings["bound"], settings["weight_decay"], settings["warmup"]) == (15.0, 1e-4, 0.0)
        assert settings["min_lr"] == settings["lr"]
    settings = vars(make("gs-lora++", preset="published"))
    assert (settings["prototype_forget"], settings["prototype_retain"]) == (0.005, 0.0)
    assert settings["prototype_bound"] == 18.0


def test_the_published_preset_has_no_weight_average(two_stage) -> None:
    """An average that starts at the end of the training is what the weights are then."""
    task, context = little_task(validation=NOTHING), context_of(two_stage)
    quickly = {"epochs": 2, "batch_size": 7, "prototype_forget": 0.0}
    averaged, plain = (
        make(
            name,
            preset="published",
            settings={k: v for k, v in quickly.items() if k in settings_of(name)},
        )
        for name in ("gs-lora++", "gs-lora")
    )
    first, second = (method.forget(context, task).tensors for method in (averaged, plain))
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other)
