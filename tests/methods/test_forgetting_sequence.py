"""Requests one after another on one classifier: what each method works with, its edit on top of earlier ones."""

from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import torch

from expunge.adapters import Edit, EditStack, LowRank
from expunge.data import replay
from expunge.memory import compute_prototypes
from expunge.methods import HeadMask
from expunge.methods.sequence import Forgetting
from expunge.tasks import Available
from expunge.tasks.classification.context import Context
from expunge.tasks.plan import Plan
from expunge.tasks.request import ForgetTask
from expunge.vision import ActivationCache, VisionModel
from tests.methods import tiny

PLAN = Plan(((0,), (2, 3)))


@dataclass(frozen=True)
class Spy(HeadMask):
    """Bends the last block, strikes the targets, and keeps what it was given."""

    given: list[tuple[Context, ForgetTask, tuple[int, ...]]] = field(default_factory=list)

    def forget(self, context: Context, task: ForgetTask) -> Edit:
        name = context.model.blocks[-1].linears[-1]
        layer, bias = context.model.linear(name), context.model.linear(context.model.head_name).bias
        struck = tuple(int(i) for i in (bias == -1e4).nonzero()[:, 0])
        self.given.append((context, task, struck))
        bend = LowRank(torch.ones(1, layer.in_features), torch.linspace(-1, 1, layer.out_features)[:, None], 1.0)
        return Edit(deltas={name: bend}, masked=task.targets)


@dataclass(frozen=True)
class SpyOnPrototypes(Spy):
    """A spy that wants prototypes."""

    needs_prototypes: ClassVar[bool] = True


@pytest.fixture(scope="module")
def model() -> VisionModel:
    """Of random weights; every test leaves it as it found it."""
    return tiny.wrapped(tiny.vit().eval())


def carried_out(model: VisionModel, spy: Spy, data: Available) -> Forgetting:
    """Both requests, taken off the model again."""
    stack = EditStack(model)
    digest = stack.model.digest()
    forgetting = Forgetting(stack, PLAN, spy, data, seed=5)
    forgetting.prepare()
    try:
        edits = [forgetting.carry_out(number) for number in range(2)]
        assert stack.edits == tuple(edits)
    finally:
        while stack.edits:
            stack.undo()
    assert stack.model.digest() == digest
    return forgetting


def test_each_edit_goes_on_top_of_the_earlier_ones(model: VisionModel) -> None:
    splits, spy = tiny.template_splits(), SpyOnPrototypes()
    fewer = replay(splits.train, 0.8, 0)  # 8 images a class, of 10
    forgetting = carried_out(model, spy, Available(splits.train, fewer, splits.validation))
    (one, first, before), (other, second, later) = spy.given
    assert (before, later) == ((), (0,))
    assert (one.seed, other.seed) == (5, 6)
    assert (first.targets, first.forgotten, second.targets, second.forgotten) == ((0,), (), (2, 3), (0,))
    assert first.forget.counts() == (10, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert first.retain.counts() == (0, 8, 8, 8, 8, 8, 8, 8, 8, 8)
    assert second.forget.counts() == (0, 0, 10, 10, 0, 0, 0, 0, 0, 0)
    assert second.retain.counts() == (0, 8, 0, 0, 8, 8, 8, 8, 8, 8)
    assert second.validation.counts() == (0, 2, 2, 2, 2, 2, 2, 2, 2, 2)
    assert one.activations is other.activations is forgetting.activations
    assert forgetting.entry == 3
    # Prototypes are the original's for every request, of what a request names as of what stays.
    assert one.prototypes is not None
    assert one.prototypes is other.prototypes
    assert one.prototypes.counts.tolist() == [10, 8, 10, 10, 8, 8, 8, 8, 8, 8]
    original = ActivationCache(model)
    for label, images in ((0, splits.train), (1, fewer), (3, splits.train)):
        expected = compute_prototypes(original, images.only([label])).values[label]
        torch.testing.assert_close(one.prototypes.values[label], expected, rtol=1e-4, atol=1e-5)


def test_prototypes_are_taken_only_where_they_are_wanted(model: VisionModel) -> None:
    splits, spy = tiny.template_splits(), Spy()
    carried_out(model, spy, Available(splits.train, splits.train, splits.validation))
    assert [context.prototypes for context, _, _ in spy.given] == [None, None]
