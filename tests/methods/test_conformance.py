"""What every installed method must do, whoever wrote it."""

import dataclasses
import functools
import math

import pytest
import torch

from expunge.adapters import Edit, EditStack
from expunge.errors import MethodError, TooFewImagesError
from expunge.methods import make_method, method_class, method_names
from expunge.methods.fine_tuning import BlockTuning
from expunge.methods.protocol import Method

QUICK = {"epochs": 40, "max_steps": 60, "validate_every": 10, "last_blocks": 2}
OWN: dict[str, dict[str, object]] = {"delete": {"lr": 1e-3}, "gs-lora": {"max_steps": 80}}
EVERY = pytest.mark.parametrize("name", method_names("classification"))

KNOWN = 0.012
"""More than the toy's cross-entropy on the images of the targets, and on the others, in nats."""
WEAK = {
    "damp": 2.0,  # the class passes its edits by in the residual stream, on this model as on every one we tried
    "deep-unlearning": 30.0,  # with the lowest block left alone; editing all blocks it forgets
    "retrain": 100.0,  # the lowest block is not drawn anew and may still know the class
    "ssd": 8.0,  # with 24 images to stay, no weight is much more important for what goes
}
"""Methods that are faithful to their papers and may leave the toy's classes in first place, and why; see the lab notes.

The number is how many times `KNOWN` they raise the loss of the targets: about half of what we measured.
"""


def quick(name: str) -> Method:
    found = method_class(name)
    known = {field.name for field in dataclasses.fields(found)}
    settings: dict[str, object] = {key: value for key, value in QUICK.items() if key in known}
    if issubclass(found, BlockTuning):
        settings["lr"] = 1e-2  # 60 steps must do
    return make_method(name, settings={**settings, **OWN.get(name, {})})


@functools.cache
def once(name: str, context, task) -> tuple[Method, Edit]:
    """The method's edit, and on the way whether it left the model as it found it."""
    method = quick(name)
    made = context(method.first_block(context().model))
    before, modules = made.model.digest(), list(made.model.module.named_modules())
    edit = method.forget(made, task)
    assert made.model.digest() == before, "the weights are not as they were"
    assert list(made.model.module.named_modules()) == modules
    assert not any(parameter.requires_grad for parameter in made.model.module.parameters())
    return method, edit


def accuracy_and_loss(model, images) -> tuple[float, float]:
    logits, labels = model(model.prepare(images.load())).logits, torch.tensor(images.labels)
    right = (logits.argmax(1) == labels).float().mean().item()
    return right, torch.nn.functional.cross_entropy(logits, labels).item()


@EVERY
def test_describes_itself(name) -> None:
    found = method_class(name)
    assert found.name == name
    assert found.summary
    assert "\n" not in found.summary
    assert found.source
    assert isinstance(make_method(name), Method)
    for preset in found.presets:
        make_method(name, preset=preset)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(make_method(name), "anything", 1)  # noqa: B010 - as a user would try


@EVERY
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_settings_that_are_no_finite_number_are_refused(name, value) -> None:
    found = method_class(name)
    for field in dataclasses.fields(found):
        if isinstance(field.default, float):
            with pytest.raises(MethodError, match=f"{field.name} must be a finite number, got {value}"):
                make_method(name, settings={field.name: str(value)})
            with pytest.raises(MethodError, match=field.name):
                found(**{field.name: value})


@EVERY
@pytest.mark.parametrize("side", ["forget", "retain"])
def test_a_request_without_an_image_of_one_side_is_refused(name, side, context, task) -> None:
    """The head mask looks at no image; the closed form may do with a memory, and says so."""
    method = quick(name)
    made, lacking = (
        context(method.first_block(context().model)),
        dataclasses.replace(task, **{side: task.forget.select([])}),
    )
    if name == "head-mask":
        assert method.forget(made, lacking).masked == task.targets
        return
    refusal = TooFewImagesError if name.startswith("closed-form") else MethodError
    with pytest.raises(refusal, match=r"expected images of|there is no image of what"):
        method.forget(made, lacking)


@EVERY
def test_forgets_the_targets_and_keeps_the_rest(name, context, task, splits) -> None:
    """Struck classes are never answered, so a method that changes weights must do without its strikes here."""
    _, edit = once(name, context, task)
    edit = Edit(edit.deltas, dense=edit.dense) if edit.touched else edit
    model = context().model
    parts = splits.test.only(task.targets), splits.test.without((*task.targets, *task.forgotten))
    assert all(accuracy_and_loss(model, images)[1] < KNOWN for images in parts)
    stack = EditStack(model)
    stack.push(edit)
    try:
        (gone, loss), (kept, kept_loss) = (accuracy_and_loss(model, images) for images in parts)
    finally:
        stack.undo()
    assert kept >= 0.9
    if name in WEAK:
        assert loss > WEAK[name] * KNOWN
        assert kept_loss < 0.5 * loss
    else:
        assert gone <= 0.1


@EVERY
def test_leaves_the_model_as_it_found_it(name, context, task) -> None:
    once(name, context, task)


@EVERY
def test_same_seed_same_bytes(name, context, task) -> None:
    _, first = once(name, context, task)
    method = quick(name)
    second = method.forget(context(method.first_block(context().model)), task)
    assert first.masked == second.masked
    assert first.touched == second.touched
    for one, other in zip(first.tensors, second.tensors, strict=True):
        assert torch.equal(one, other)


@EVERY
def test_edits_only_what_it_said_it_would(name, context, task) -> None:
    method, edit = once(name, context, task)
    blocks = context().model.blocks[method.first_block(context().model) :]
    assert all(parameter.startswith(tuple(f"{block.name}." for block in blocks)) for parameter in edit.touched)
    assert set(edit.masked) <= set(task.targets)
    assert edit.touched or edit.masked
