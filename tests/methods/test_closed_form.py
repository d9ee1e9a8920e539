"""The closed form: what its edit does to hidden states, what it touches, and what it does not depend on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from expunge.adapters import Edit, EditStack
from expunge.data import Images
from expunge.errors import MethodError
from expunge.memory import Memory, calibrate
from expunge.methods import make_method
from expunge.methods.closed_form import DEPTHS, ClosedForm
from expunge.methods.sequence import Forgetting
from expunge.tasks import Available
from expunge.tasks.classification.context import Context
from expunge.tasks.plan import Plan
from expunge.tasks.request import ForgetTask
from expunge.vision import ActivationCache, VisionModel
from tests.methods import tiny

TARGETS = (0, 3)


Make = Callable[..., Edit]


@pytest.fixture(scope="module")
def edit(toy_model, task) -> Make:
    """Makes edits of the toy model with given settings. Hidden states are taken once."""
    caches: dict[int, ActivationCache] = {}

    def make(other: ForgetTask = task, *, memory: Memory | None = None, seed: int = 0, **settings) -> Edit:
        method = ClosedForm(**settings)
        entry = method.first_block(toy_model)
        cache = caches.setdefault(entry, ActivationCache(toy_model, entry))
        return method.forget(Context(toy_model, cache, seed=seed, memory=memory), other)

    return make


@contextmanager
def edited(model: VisionModel, edit: Edit, *, mask: bool = False) -> Iterator[None]:
    """The model with the edit on it; with its head as it was, unless `mask`, so that features must do it."""
    stack = EditStack(model)
    stack.push(edit if mask else Edit(edit.deltas))
    try:
        yield
    finally:
        stack.undo()


def accuracy(model: VisionModel, images: Images) -> float:
    predicted = model(model.prepare(images.load())).logits.argmax(1)
    return (predicted == torch.tensor(images.labels)).float().mean().item()


@torch.no_grad()
def class_tokens(model: VisionModel, images: Images) -> Tensor:
    """The residual stream after the last block where a ViT's head reads it."""
    found: list[Tensor] = []
    block = model.module.get_submodule(model.blocks[-1].name)
    hook = block.register_forward_hook(lambda module, given, result: found.append(result[:, 0]))
    model(model.prepare(images.load()))
    hook.remove()
    return found[0]


def means(values: Tensor, images: Images) -> Tensor:
    labels = torch.tensor(images.labels)
    return torch.stack([values[labels == label].mean(0) for label in sorted(set(images.labels))])


def flat(edit: Edit) -> Tensor:
    return torch.cat([low.delta().flatten() for low in edit.deltas.values()])


@dataclass(frozen=True)
class Effect:
    """What an edit did to the class tokens after the last block.

    Attributes:
        missing: For each forget class how far its mean is from where it should be, as a part of the way.
        drift: How far retained images moved, as a part of their spread.
        spread: Distances of forget images from their means, as a part of what they were.
    """

    missing: Tensor
    drift: float
    spread: float


@pytest.fixture(scope="module")
def effect(edit, toy_model, task) -> Callable[..., Effect]:
    """Measures what the closed form does with given settings."""
    there, others = class_tokens(toy_model, task.forget), class_tokens(toy_model, task.retain)
    wanted = means(others, task.retain).mean(0)
    numbers = torch.tensor(task.forget.labels).unique(return_inverse=True)[1]

    def measure(**settings) -> Effect:
        with edited(toy_model, edit(**settings)):
            forget, retain = class_tokens(toy_model, task.forget), class_tokens(toy_model, task.retain)
        start, end = means(there, task.forget), means(forget, task.forget)
        return Effect(
            missing=(end - wanted).norm(dim=1) / (start - wanted).norm(dim=1),
            drift=float((retain - others).norm() / (others - wanted).norm()),
            spread=float((forget - end[numbers]).norm() / (there - start[numbers]).norm()),
        )

    return measure


class TestWhatItDoes:
    def test_means_of_what_goes_arrive_where_they_should_and_nothing_else_moves_much(self, effect) -> None:
        found = effect()
        assert (found.missing < 0.15).all()
        assert found.drift < 0.03
        assert 0.8 < found.spread < 1.25

    def test_they_arrive_to_the_full_where_nothing_is_shrunk(self, effect) -> None:
        assert (effect(ridge=1e-6).missing < 0.01).all()

    def test_a_second_pass_repairs_what_the_first_one_cost(self, effect) -> None:
        once, twice = effect(passes=1), effect(passes=2)
        assert twice.drift < 0.9 * once.drift
        assert (twice.missing < once.missing).all()

    def test_a_greater_weight_keeps_more_and_moves_less(self, effect) -> None:
        light, heavy = effect(weight=0.3), effect(weight=30.0)
        assert heavy.drift < light.drift
        assert (heavy.missing > light.missing).all()

    def test_features_no_longer_lead_to_the_class_and_the_others_stay(self, edit, toy_model, task, splits) -> None:
        gone, kept = splits.test.only(task.targets), splits.test.without((*task.targets, *task.forgotten))
        assert accuracy(toy_model, gone) > 0.9
        with edited(toy_model, edit()):
            assert accuracy(toy_model, gone) <= 0.1
            assert accuracy(toy_model, kept) >= 0.95
        with edited(toy_model, edit(), mask=True):
            assert accuracy(toy_model, gone) == 0.0


class TestWhatItTouches:
    @pytest.mark.parametrize(("depth", "blocks"), [("fast", [2]), ("default", [1, 2]), ("thorough", [1, 2])])
    def test_the_last_linear_layer_of_the_upper_blocks_and_the_head(self, edit, task, depth, blocks) -> None:
        made = edit(depth=depth)
        assert made.touched == tuple(f"vit.layers.{block}.mlp.fc2.weight" for block in blocks)
        assert made.masked == task.targets

    def test_depths_reach_further_and_further_and_never_nowhere(self) -> None:
        model = tiny.wrapped(tiny.vit())
        assert [ClosedForm(depth=depth).first_block(model) for depth in DEPTHS] == [3, 2, 1]
        one = VisionModel(model.module, tiny.CLASSES, preprocess=tiny.preprocess(), blocks=model.blocks[:1])
        assert [ClosedForm(depth=depth).first_block(one) for depth in DEPTHS] == [0, 0, 0]

    def test_rank_follows_energy(self, edit) -> None:
        whole = edit(energy=1.0)
        ranks = []
        for energy in (0.5, 0.9, 0.9999):
            made = edit(energy=energy)
            ranks.append(sum(low.rank for low in made.deltas.values()))
            for name, low in made.deltas.items():
                squares = torch.linalg.svdvals(whole.deltas[name].delta()).square()
                kept = squares.cumsum(0) / squares.sum()
                assert kept[low.rank - 1] >= energy - 1e-6
                assert low.rank == 1 or kept[low.rank - 2] < energy + 1e-6
        assert ranks[0] < ranks[1] < ranks[2]

    def test_so_many_directions_a_class_and_no_more(self, edit, task) -> None:
        whole, made = edit(energy=1.0), edit(energy=1.0, directions=1)
        assert len(task.targets) == 2
        for name, low in made.deltas.items():
            values = torch.linalg.svdvals(whole.deltas[name].delta())
            assert low.rank == 2 < whole.deltas[name].rank
            # By Eckart and Young the rest of the singular values is lost, and nothing else.
            assert float((low.delta() - whole.deltas[name].delta()).norm()) == pytest.approx(float(values[2:].norm()))

    def test_half_the_bytes_for_nearly_the_same_change(self, edit) -> None:
        whole, made = edit(), edit(half=True)
        assert made.bytes == whole.bytes / 2
        for name, low in made.deltas.items():
            before = whole.deltas[name].delta()
            assert 0 < (low.delta() - before).norm() / before.norm() < 1e-3

    def test_undo_restores_every_bit(self, edit, toy_model, task) -> None:
        before = toy_model.digest()
        stack = EditStack(toy_model)
        stack.push(edit())
        second = replace(task, targets=(2,), forget=task.retain.only([2]), retain=task.retain.without([2]))
        stack.push(edit(second))
        assert toy_model.digest() != before
        stack.undo(0)
        stack.undo()
        assert toy_model.digest() == before

    def test_no_weight_has_a_gradient(self, edit, toy_model) -> None:
        with torch.enable_grad():
            edit()
        assert all(p.grad is None and not p.requires_grad for p in toy_model.module.parameters())


class TestWhatItDoesNotHangOn:
    def test_the_order_in_which_classes_of_one_request_are_named(self, edit, task) -> None:
        first, turned = edit(), edit(replace(task, targets=task.targets[::-1]))
        assert all(torch.equal(one, other) for one, other in zip(first.tensors, turned.tensors, strict=True))
        assert first.masked == turned.masked

    def test_the_order_of_images(self, edit, task) -> None:
        forget, retain = (images.select(torch.randperm(len(images)).tolist()) for images in (task.forget, task.retain))
        first, shuffled = edit(), edit(replace(task, forget=forget, retain=retain))
        torch.testing.assert_close(flat(first), flat(shuffled), rtol=0, atol=0.05 * float(flat(first).abs().max()))

    def test_images_where_there_is_a_memory(self, edit, toy_model, task, splits) -> None:
        memory = calibrate(toy_model, splits.train, 1).without(task.forgotten)
        bare = replace(task, forget=task.forget.select([]), retain=task.retain.select([]))
        remembered = edit(bare, memory=memory)
        assert torch.cosine_similarity(flat(edit()), flat(remembered), dim=0) > 0.95
        with edited(toy_model, remembered):
            assert accuracy(toy_model, splits.test.only(task.targets)) <= 0.1
            assert accuracy(toy_model, splits.test.without((*task.targets, *task.forgotten))) >= 0.95

    def test_the_seed_beyond_noise(self) -> None:
        model, task = tiny.trained(tiny.swin), template_task()
        method = ClosedForm(rows=8)
        cache = ActivationCache(model, method.first_block(model))
        first, again, other = (method.forget(Context(model, cache, seed=seed), task) for seed in (1, 1, 2))
        assert all(torch.equal(one, two) for one, two in zip(first.tensors, again.tensors, strict=True))
        assert not torch.equal(flat(first), flat(other))
        assert torch.cosine_similarity(flat(first), flat(other), dim=0) > 0.7

    def test_few_images_move_less(self, edit, task) -> None:
        few = replace(task, forget=task.forget.select([0, 8]), retain=task.retain.select([0, 8, 16]))
        assert sorted(set(few.forget.labels)) == [0, 1]
        assert flat(edit(few)).norm() < 0.9 * flat(edit()).norm()


def template_task() -> ForgetTask:
    data = tiny.template_splits()
    return ForgetTask(TARGETS, (), data.train.only(TARGETS), data.train.without(TARGETS), data.validation)


@pytest.mark.parametrize("build", [tiny.swin, tiny.convnext, tiny.cosine_vit], ids=lambda build: build.__name__)
def test_other_families_and_a_cosface_head(build) -> None:
    model, test = tiny.trained(build), tiny.template_splits().test
    gone, kept = test.only(TARGETS), test.without(TARGETS)
    digest, stayed = model.digest(), accuracy(model, kept)
    assert accuracy(model, gone) > 0.9
    method = ClosedForm()
    made = method.forget(Context(model, ActivationCache(model, method.first_block(model))), template_task())
    assert model.digest() == digest
    assert made.touched == tuple(f"{block.linears[-1]}.weight" for block in model.blocks[2:])
    with edited(model, made):
        assert accuracy(model, gone) <= 0.2
        assert accuracy(model, kept) >= stayed - 0.02


def after_requests(model: VisionModel, order: tuple[int, ...]) -> tuple[list[float], float]:
    """Requests of one class each: what the features, under the old head, still say of each; and Acc_r."""
    data, stack = tiny.template_splits(), EditStack(model)
    plan = Plan(tuple((label,) for label in order))
    forgetting = Forgetting(stack, plan, ClosedForm(), Available(data.train, data.train, data.validation))
    for number in range(len(order)):
        forgetting.carry_out(number)
    kept, edits = accuracy(model, data.test.without(order)), stack.edits
    for _ in edits:
        stack.undo()
    for made in edits:
        stack.push(Edit(made.deltas))
    gone = [accuracy(model, data.test.only([label])) for label in sorted(order)]
    for _ in edits:
        stack.undo()
    return gone, kept


def test_five_requests_in_one_order_or_another() -> None:
    model = tiny.trained(tiny.cosine_vit)
    digest = model.digest()
    (gone, kept), (others_gone, others_kept) = (
        after_requests(model, order) for order in ((0, 2, 4, 6, 8), (8, 4, 0, 6, 2))
    )
    assert model.digest() == digest
    for accuracies in (gone, others_gone):
        assert sum(accuracies) / 5 <= 0.2
    assert kept == pytest.approx(others_kept, abs=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight": 0.0}, "weight must be greater than 0"),
        ({"ridge": -1.0}, "ridge must be greater than 0, got -1"),
        ({"passes": 0}, "passes"),
        ({"states": 0}, "states"),
        ({"rows": 0}, "rows"),
        ({"energy": 0.0}, "energy must be greater than 0"),
        ({"energy": 1.5}, "energy"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message) -> None:
    with pytest.raises(MethodError, match=message):
        ClosedForm(**settings)


def test_an_unknown_depth_is_refused_on_the_command_line_and_from_python() -> None:
    with pytest.raises(MethodError, match="depth"):
        make_method("closed-form", settings={"depth": "deep"})
    method = ClosedForm()
    object.__setattr__(method, "depth", "deep")  # past the type checker of the tests
    with pytest.raises(MethodError, match="'fast', 'default' or 'thorough', got 'deep'"):
        method.__post_init__()
