"""What every installed method must do, whoever wrote it."""

import dataclasses
import functools

import pytest
import torch

from expunge.adapters import Edit, EditStack
from expunge.methods import make_method, method_class, method_names
from expunge.methods.fine_tuning import BlockTuning
from expunge.methods.protocol import Method

QUICK = {"epochs": 40, "max_steps": 60, "validate_every": 10, "last_blocks": 2}
OWN: dict[str, dict[str, object]] = {"delete": {"lr": 1e-3}, "gs-lora": {"max_steps": 80}}
EVERY = pytest.mark.parametrize("name", method_names())

WEAK = {
    "damp": "the class passes its edits by in the residual stream, on this model as on every one we tried",
    "deep-unlearning": "with the lowest block left alone; editing all blocks it forgets",
    "retrain": "the lowest block is not drawn anew and still knows the class",
    "ssd": "with 24 images to stay, no weight is much more important for what goes",
}
"""Methods that are faithful to their papers and do not forget the toy's classes, and why; see the lab notes."""


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
def test_forgets_the_targets_and_keeps_the_rest(name, context, task, splits) -> None:
    _, edit = once(name, context, task)
    model = context().model
    stack = EditStack(model)
    stack.push(edit)
    try:
        gone, kept = (
            (model(model.prepare(images.load())).logits.argmax(1) == torch.tensor(images.labels)).float().mean().item()
            for images in (splits.test.only(task.targets), splits.test.without((*task.targets, *task.forgotten)))
        )
    finally:
        stack.undo()
    assert kept >= 0.9
    assert gone <= (1.0 if name in WEAK else 0.1)


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
