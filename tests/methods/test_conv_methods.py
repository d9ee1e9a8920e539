"""Every installed method on convolutional networks: one with residual connections and one without."""

import dataclasses
import functools
from collections.abc import Callable

import pytest
import torch
from torch import nn

from expunge.adapters import Edit, EditStack, load_edit, save_edit
from expunge.data import Splits
from expunge.memory import calibrate, compute_prototypes
from expunge.methods import make_method, method_names
from expunge.methods._sites import find_sites
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask
from expunge.vision import ActivationCache, VisionModel
from tests.methods import tiny
from tests.methods.test_conformance import accuracy_and_loss, quick

TARGETS = (0, 1)
STEPS: dict[Callable[[], nn.Module], int] = {tiny.resnet: 60, tiny.mobilenet: 150, tiny.plain_cnn: 60}
EVERY = pytest.mark.parametrize("name", method_names("classification"))
MODELS = pytest.mark.parametrize("build", [tiny.resnet, tiny.plain_cnn], ids=lambda build: build.__name__)
WEAK = {"damp", "lirf", "ssd"}
"""Faithful to their papers, they leave much of the class on these models, too; see the conformance suite."""


def shorter(name: str) -> dict[str, object]:
    return {"max_steps": 25} if hasattr(quick(name), "max_steps") else {}


@functools.cache
def splits() -> Splits:
    return tiny.template_splits()


def request(**fields) -> ForgetTask:
    train = splits().train
    settings = {"forget": train.only(TARGETS), "retain": train.without(TARGETS), "validation": splits().validation}
    return ForgetTask(targets=TARGETS, forgotten=(), **{**settings, **fields})


def context_of(model: VisionModel, entry: int, **fields) -> Context:
    cache = ActivationCache(model, entry)
    return Context(model, cache, compute_prototypes(cache, splits().train), **fields)


def after(model: VisionModel, edit: Edit) -> tuple[tuple[float, float], tuple[float, float]]:
    """Accuracy and loss on the classes that go, and on those that stay, without the strikes at the head."""
    stack = EditStack(model)
    stack.push(Edit(edit.deltas, dense=edit.dense) if edit.touched else edit)
    try:
        test = splits().test
        return accuracy_and_loss(model, test.only(TARGETS)), accuracy_and_loss(model, test.without(TARGETS))
    finally:
        stack.undo()


@MODELS
@EVERY
def test_every_method_edits_them_and_gives_every_bit_back(name, build) -> None:
    model, method = tiny.trained(build, STEPS[build]), dataclasses.replace(quick(name), **shorter(name))  # pyright: ignore[reportArgumentType]
    before, modules = model.digest(), list(model.module.named_modules())
    edit = method.forget(context_of(model, method.first_block(model)), request())
    assert (model.digest(), list(model.module.named_modules())) == (before, modules)
    blocks = tuple(f"{block.name}." for block in model.blocks[method.first_block(model) :])
    assert all(parameter.startswith(blocks) for parameter in edit.touched)
    assert edit.touched or edit.masked
    known = accuracy_and_loss(model, splits().test.only(TARGETS))[1]
    (_, loss), _ = after(model, edit)
    assert model.digest() == before
    assert loss > (1.5 if name in WEAK else 50) * known


@pytest.mark.parametrize("build", STEPS, ids=lambda build: build.__name__)
@pytest.mark.parametrize("name", ["closed-form++", "gs-lora"])
def test_ours_forget_and_keep(name, build) -> None:
    model, method = tiny.trained(build, STEPS[build]), quick(name)
    edit = method.forget(context_of(model, method.first_block(model)), request())
    (gone, _), (kept, _) = after(model, edit)
    assert gone <= 0.1 or (name, build) == ("gs-lora", tiny.plain_cnn)  # 80 steps are few there
    assert kept >= 0.93


@pytest.mark.parametrize("build", STEPS, ids=lambda build: build.__name__)
def test_the_closed_form_writes_to_the_sites_alone_and_the_same_bytes_again(build, tmp_path) -> None:
    model, method = tiny.trained(build, STEPS[build]), make_method("closed-form")
    first = method.first_block(model)
    one, other = (method.forget(context_of(model, first), request()) for _ in range(2))
    assert set(one.deltas) == {site.layer for site in find_sites(model, first)}
    assert all(torch.equal(a, b) for a, b in zip(one.tensors, other.tensors, strict=True))
    for name, low in one.deltas.items():
        weight = model.layer(name).weight
        assert (low.a.shape[1:], low.b.shape[2:]) == (weight.shape[1:], (1, 1))
    save_edit(one, tmp_path)
    assert after(model, load_edit(tmp_path)) == after(model, one)


def test_the_closed_form_needs_no_image_but_a_memory() -> None:
    model, method = tiny.trained(tiny.resnet, STEPS[tiny.resnet]), make_method("closed-form")
    first = method.first_block(model)
    memory = calibrate(model, splits().train, first)
    nothing = splits().train.select([])
    edit = method.forget(context_of(model, first, memory=memory), request(forget=nothing, retain=nothing))
    (gone, _), (kept, _) = after(model, edit)
    assert gone <= 0.2
    assert kept >= 0.9


def test_groups_of_convolutions_live_or_die_together() -> None:
    model = tiny.trained(tiny.resnet, STEPS[tiny.resnet])
    method = make_method("gs-lora", settings={"max_steps": 40, "alpha": 1.0, "warmup": 0.0, "sparsity": "proximal"})
    edit = method.forget(context_of(model, 0), request())
    kept = {block.name: sum(name in edit.deltas for name in block.linears) for block in model.blocks}
    assert set(kept.values()) == {0, 2}  # some blocks are out, and with both layers


def test_a_convolution_in_groups_is_solved_group_by_group() -> None:
    module = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
    )
    torch.manual_seed(0)
    found = tiny.wrapped(module)
    grouped = nn.Conv2d(16, 16, 3, 1, 1, groups=2).requires_grad_(False)
    module[4] = grouped
    model = VisionModel(module, tiny.CLASSES, preprocess=tiny.preprocess(), blocks=found.blocks)
    method = make_method("closed-form", settings={"energy": 1.0})
    edit = method.forget(context_of(model, method.first_block(model)), request())
    assert edit.deltas["4"].delta().shape == grouped.weight.shape
    stack, before = EditStack(model), model.digest()
    stack.push(edit)
    stack.undo()
    assert model.digest() == before
