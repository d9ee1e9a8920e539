"""Hidden states on their way up, and where they come from."""

from dataclasses import replace

import pytest
import torch

from expunge.adapters import tuned
from expunge.data import Splits
from expunge.errors import TooFewImagesError
from expunge.memory import Memory, calibrate
from expunge.methods._sensitivity import Rows
from expunge.methods._sites import find_sites, gain, look
from expunge.methods._states import BATCH, DRAWN, States, states_of
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask
from expunge.vision import ActivationCache, VisionModel
from tests.methods import tiny
from tests.vision.conformance import randomise


def labelled(*labels: int) -> States:
    return States(torch.arange(2.0 * len(labels)).view(len(labels), 1, 2), torch.tensor(labels))


class TestLabels:
    def test_classes_that_occur_count_the_same(self) -> None:
        states = labelled(7, 2, 7, 7, 5)
        assert len(states) == 5
        assert states.classes == (2, 5, 7)
        assert states.numbers.tolist() == [2, 0, 2, 2, 1]
        assert states.shares.tolist() == pytest.approx([1 / 9, 1 / 3, 1 / 9, 1 / 9, 1 / 3])

    def test_a_spread_reaches_from_the_first_to_the_last(self) -> None:
        states = labelled(0, 0, 0, 1, 1, 1, 2, 2, 2)
        assert states.spread(3).labels.tolist() == [0, 1, 2]
        assert torch.equal(states.spread(3).hidden, states.hidden[[0, 4, 8]])
        assert torch.equal(states.spread(1).hidden, states.hidden[:1])

    def test_a_spread_of_more_than_there_are_is_all_of_them(self) -> None:
        states = labelled(3, 1, 2)
        assert torch.equal(states.spread(9).hidden, states.hidden)
        assert torch.equal(states.spread(9).labels, states.labels)


def first_positions(states: States) -> Rows:
    return Rows(torch.zeros(len(states), 1, dtype=torch.int64), torch.ones(len(states), 1))


KINDS = [tiny.vit, tiny.swin, tiny.convnext, tiny.swin_v2, tiny.dinov2]


@pytest.mark.parametrize("build", KINDS, ids=lambda build: build.__name__)
@torch.no_grad()
def test_after_a_change_they_are_what_running_the_block_again_gives(build) -> None:
    model = tiny.wrapped(randomise(build()))
    images, labels = tiny.draw_images(1, 0)
    for site in find_sites(model, 0)[:-1]:
        states = States(model.enter(images, site.block), labels)
        seen = states.look(model, site, first_positions(states))
        change = 0.1 * torch.randn_like(model.linear(site.layer).weight)
        with tuned(model.module, [f"{site.layer}.weight"]) as weights:
            weights.parameters[f"{site.layer}.weight"].add_(change)
            found = states.after(model, site, seen, change, gain(model, site, states.hidden))
            again = model.advance(states.hidden, site.block)
        assert seen.following is not None
        assert (again - seen.following).abs().max() > 0.05
        torch.testing.assert_close(found.hidden, again, rtol=1e-3, atol=1e-3)
        assert torch.equal(found.labels, labels)


@torch.no_grad()
def test_where_the_sum_is_enough_the_block_does_not_run() -> None:
    model = tiny.wrapped(randomise(tiny.vit()))
    site = find_sites(model, 2)[0]
    states = States(model.enter(tiny.draw_images(1, 0)[0], 2), torch.arange(10))
    seen, measured = states.look(model, site, first_positions(states)), gain(model, site, states.hidden)
    model.linear(site.layer).weight.fill_(float("nan"))
    assert states.after(model, site, seen, torch.ones(32, 64), measured).hidden.isfinite().all()


@torch.no_grad()
def test_many_are_looked_at_in_batches() -> None:
    model = tiny.wrapped(randomise(tiny.vit()))
    images, labels = tiny.draw_images(25, 0)
    states = States(model.enter(images, 2), labels)
    site = find_sites(model, 2)[0]
    rows = Rows(torch.randint(17, (250, 3)), torch.full((250, 3), 1 / 3))
    seen, whole = states.look(model, site, rows, hold=0), look(model, site, states.hidden)
    torch.testing.assert_close(seen.inputs, rows.of(whole.inputs))
    torch.testing.assert_close(seen.outputs, rows.of(whole.outputs))
    by_class = [whole.outputs[labels == label].mean(0) for label in range(10)]
    torch.testing.assert_close(seen.means, torch.stack(by_class))
    assert seen.following is not None
    torch.testing.assert_close(seen.following, model.enter(images, 3))


@torch.no_grad()
def test_inputs_that_were_not_held_are_computed_anew_to_the_same_bits() -> None:
    model = tiny.wrapped(randomise(tiny.vit()))
    images, labels = tiny.draw_images(25, 0)
    states = States(model.enter(images, 2), labels)
    site = find_sites(model, 2)[0]
    measured, change = gain(model, site, states.hidden[:4]), 0.1 * torch.randn(32, 64)
    batch = BATCH * 17 * 64 * 4
    seen = [states.look(model, site, first_positions(states), hold=hold) for hold in (0, batch, 3 * batch)]
    assert [len(one.held) for one in seen] == [0, 1, 3]
    with tuned(model.module, [f"{site.layer}.weight"]) as weights:
        weights.parameters[f"{site.layer}.weight"].add_(change)
        none, first, every = (states.after(model, site, one, change, measured).hidden for one in seen)
    assert torch.equal(none, every)
    assert torch.equal(first, every)
    assert seen[0].following is not None
    assert not torch.equal(every, seen[0].following)


@pytest.fixture(scope="module")
def model() -> VisionModel:
    return tiny.wrapped(randomise(tiny.vit()))


@pytest.fixture(scope="module")
def splits() -> Splits:
    return tiny.template_splits()


@pytest.fixture(scope="module")
def memory(model: VisionModel, splits: Splits) -> Memory:
    """Of all classes but the last."""
    return calibrate(model, splits.train.without([9]), entry=1, rank=3)


@pytest.fixture(scope="module")
def task(splits: Splits) -> ForgetTask:
    """Forget classes 0 and 3, once 5 is gone."""
    stay = splits.train.without([0, 3, 5])
    return ForgetTask((0, 3), (5,), splits.train.only([0, 3]), stay, splits.validation)


def images_of(model: VisionModel, images, entry: int) -> torch.Tensor:
    return model.enter(model.prepare(images.load()), entry)


class TestWhereTheyComeFrom:
    def test_images_alone(self, model, task) -> None:
        forget, retain = states_of(Context(model, ActivationCache(model, 2)), task, 1000)
        torch.testing.assert_close(forget.hidden, images_of(model, task.forget, 2))
        torch.testing.assert_close(retain.hidden, images_of(model, task.retain, 2))
        assert forget.labels.tolist() == list(task.forget.labels)
        assert retain.labels.tolist() == list(task.retain.labels)

    def test_every_class_has_its_part_of_the_most(self, model, task) -> None:
        forget, retain = states_of(Context(model, ActivationCache(model, 2)), task, 21)
        assert forget.labels.bincount().tolist() == [len(task.forget) // 2, 0, 0, len(task.forget) // 2]
        assert retain.labels.bincount().tolist() == [0, 3, 3, 0, 3, 0, 3, 3, 3, 3]
        one, _ = states_of(Context(model, ActivationCache(model, 2)), task, 1)
        assert one.labels.bincount().tolist() == [1, 0, 0, 1]  # nobody is left out

    def test_what_stays_comes_from_the_memory_where_it_can(self, model, task, memory) -> None:
        context = Context(model, ActivationCache(model, 1), seed=4, memory=memory)
        _, retain = states_of(context, task, 1000)
        ours = retain.labels == 9
        torch.testing.assert_close(retain.hidden[ours], images_of(model, task.retain.only([9]), 1))
        stay = [1, 2, 4, 6, 7, 8]  # 0 and 3 go now, 5 went before
        drawn, labels = memory.sample(stay, DRAWN, seed=4)
        assert torch.equal(retain.hidden[~ours], drawn)
        assert torch.equal(retain.labels[~ours], labels)

    def test_what_goes_comes_from_both(self, model, task, memory) -> None:
        forget, _ = states_of(Context(model, ActivationCache(model, 1), memory=memory), task, 1000)
        drawn, labels = memory.sample([0, 3], DRAWN, seed=0)
        torch.testing.assert_close(forget.hidden, torch.cat([images_of(model, task.forget, 1), drawn]))
        assert forget.labels.tolist() == [*task.forget.labels, *labels.tolist()]

    def test_a_memory_alone_is_enough(self, model, task, memory) -> None:
        bare = replace(task, forget=task.forget.select([]), retain=task.retain.select([]))
        forget, retain = states_of(Context(model, ActivationCache(model, 1), memory=memory), bare, 12)
        assert forget.labels.bincount().tolist() == [6, 0, 0, 6]
        assert retain.labels.bincount().tolist() == [0, 2, 2, 0, 2, 0, 2, 2, 2]

    def test_a_memory_from_further_down_runs_up_to_the_entry(self, model, task, memory) -> None:
        bare = replace(task, retain=task.retain.only([1]))
        _, retain = states_of(Context(model, ActivationCache(model, 3), memory=memory.without([9])), bare, 1000)
        drawn, _ = memory.sample([1, 2, 4, 6, 7, 8], DRAWN, seed=0)
        torch.testing.assert_close(retain.hidden, model.advance(model.advance(drawn, 1), 2))

    def test_neither_images_nor_a_memory_of_what_goes(self, model, task, memory) -> None:
        bare = replace(task, forget=task.forget.select([]))
        for kept in (None, memory.without([0, 3])):
            with pytest.raises(TooFewImagesError, match="to forget"):
                states_of(Context(model, ActivationCache(model, 1), memory=kept), bare, 1000)

    def test_neither_images_nor_a_memory_of_what_stays(self, model, task, memory) -> None:
        bare = replace(task, retain=task.retain.select([]))
        for kept in (None, memory.without([1, 2, 4, 6, 7, 8, 9])):
            with pytest.raises(TooFewImagesError, match="to keep"):
                states_of(Context(model, ActivationCache(model, 1), memory=kept), bare, 1000)
