"""What every installed method must do, whoever wrote it."""

import dataclasses

import pytest
import torch

from expunge.adapters import EditStack
from expunge.methods import make_method, method_class, method_names
from expunge.methods.protocol import Method

QUICK = {"epochs": 40, "validate_every": 10, "last_blocks": 2}
EVERY = pytest.mark.parametrize("name", method_names())


def quick(name: str) -> Method:
    known = {field.name for field in dataclasses.fields(method_class(name))}
    return make_method(name, settings={key: value for key, value in QUICK.items() if key in known})


def run(name: str, context, task, seed: int = 0):
    method = quick(name)
    made = context(method.first_block(context().model), seed=seed)
    return method, made.model, method.forget(made, task)


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
    _, model, edit = run(name, context, task)
    stack = EditStack(model)
    stack.push(edit)
    try:
        for images, least, most in (
            (splits.test.only(task.targets), 0.0, 0.1),
            (splits.test.without((*task.targets, *task.forgotten)), 0.9, 1.0),
        ):
            logits = model(model.prepare(images.load())).logits
            accuracy = (logits.argmax(1) == torch.tensor(images.labels)).float().mean().item()
            assert least <= accuracy <= most
    finally:
        stack.undo()


@EVERY
def test_leaves_the_model_as_it_found_it(name, context, task) -> None:
    before = context().model.digest()
    modules = list(context().model.module.named_modules())
    run(name, context, task)
    assert context().model.digest() == before
    assert list(context().model.module.named_modules()) == modules


@EVERY
def test_same_seed_same_bytes(name, context, task) -> None:
    _, _, first = run(name, context, task)
    _, _, second = run(name, context, task)
    assert first.masked == second.masked
    assert list(first.deltas) == list(second.deltas)
    for key, low in first.deltas.items():
        assert torch.equal(low.a, second.deltas[key].a)
        assert torch.equal(low.b, second.deltas[key].b)
    assert list(first.dense) == list(second.dense)
    for key, change in first.dense.items():
        assert torch.equal(change, second.dense[key])


@EVERY
def test_edits_only_what_it_said_it_would(name, context, task) -> None:
    method, model, edit = run(name, context, task)
    allowed = {n for block in model.blocks[method.first_block(model) :] for n in block.linears}
    assert set(edit.deltas) <= allowed
    insides = tuple(f"{block.name}." for block in model.blocks[method.first_block(model) :])
    assert all(parameter.startswith(insides) for parameter in edit.dense)
    assert set(edit.masked) <= set(task.targets)
    assert edit.touched or edit.masked
