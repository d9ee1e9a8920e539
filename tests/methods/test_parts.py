from dataclasses import replace
from itertools import islice

import pytest
import torch

from expunge.methods import GSLoRA, GSLoRAPlusPlus
from expunge.methods.training import BestState, WeightAverage, paired_batches, shuffled_batches
from expunge.tasks.classification._judge import ImageJudge
from expunge.tasks.classification.context import Context


def test_a_pass_takes_every_image_once() -> None:
    batches = shuffled_batches(7, 3, torch.Generator().manual_seed(0))
    first = list(islice(batches, 3))
    assert [len(batch) for batch in first] == [3, 3, 1]
    assert sorted(i for batch in first for i in batch) == list(range(7))
    second = [i for batch in islice(batches, 3) for i in batch]
    assert second != [i for batch in first for i in batch]


def test_pairs_are_decided_by_the_seed() -> None:
    first, again, other = (list(islice(paired_batches(9, 4, 2, seed), 12)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


class TestWeightAverage:
    def test_by_hand(self) -> None:
        weight = torch.tensor([1.0])
        average = WeightAverage([weight], decay=0.9, start=0.5)
        for done, value in ((0.25, 100.0), (0.5, 1.0), (0.75, 2.0), (1.0, 3.0)):
            weight.fill_(value)
            average.update(done)
        with average.applied():
            assert weight.item() == pytest.approx(0.9 * (0.9 * 1.0 + 0.1 * 2.0) + 0.1 * 3.0)
        assert weight.item() == 3.0

    def test_before_the_start_the_weights_stay(self) -> None:
        weight = torch.tensor([1.0])
        with WeightAverage([weight], decay=0.9, start=0.5).applied():
            assert weight.item() == 1.0

    def test_what_was_pruned_stays_zero(self) -> None:
        weight = torch.tensor([1.0, 1.0])
        average = WeightAverage([weight], decay=0.9, start=0.0)
        average.update(0.5)
        weight[0] = 0.0
        average.update(1.0)
        with average.applied():
            assert weight.tolist() == [0.0, 1.0]

    @pytest.mark.parametrize(("replayed", "moves"), [(100, 6), (600, 1), (1000, 1), (2000, 0)])
    def test_moves_at_the_ends_of_the_last_epochs_alone(self, replayed, moves, monkeypatch, context, task) -> None:
        """With the default budget, 200 steps of 16 images."""
        method, moved = GSLoRAPlusPlus(), []
        monkeypatch.setattr(WeightAverage, "update", lambda self, done: moved.append(done >= self._start))
        many = replace(task, retain=task.retain.select([i % len(task.retain) for i in range(replayed)]))
        weight, made = torch.zeros(1, requires_grad=True), context(2)
        one, other = made.batches(task, [0], [0])
        monkeypatch.setattr(Context, "batches", lambda *_: (one, other))
        monkeypatch.setattr(Context, "judge", lambda *_: lambda: (0.0, 0.0))
        method.fit(made, many, [weight], lambda *_: weight.sum(), average=method.average([weight]))
        assert sum(moved) == moves

    def test_puts_weights_back_after_an_error(self) -> None:
        weight = torch.tensor([1.0])
        average = WeightAverage([weight], decay=0.5, start=0.0)
        average.update(0.5)
        weight.fill_(2.0)
        with pytest.raises(RuntimeError), average.applied():
            raise RuntimeError
        assert weight.item() == 2.0


class TestBestState:
    def state(self, context, task) -> tuple[BestState, ImageJudge, torch.Tensor]:
        made = context()
        weight = made.model.module.get_submodule(made.model.head_name).weight
        judge = made.judge(task, GSLoRA().objective(made, task))
        return BestState([weight], judge), judge, weight

    def test_keeps_the_best_not_the_last(self, context, task) -> None:
        best, judge, weight = self.state(context, task)
        original = weight.clone()
        try:
            good = original.clone()
            good[[0, 1]] = 0.9 * original[[2, 3]]  # the targets' images now go to other classes
            for value in (torch.zeros_like(original), good, torch.ones_like(original)):
                weight.copy_(value)
                best.consider()
            scores = []
            for value in (torch.zeros_like(original), good, torch.ones_like(original)):
                weight.copy_(value)
                scores.append(judge())
            assert scores[1] > max(scores[0], scores[2])
            best.restore()
            assert torch.equal(weight, good)
        finally:
            weight.copy_(original)

    def test_a_tie_in_h_goes_to_the_lower_objective(self, context, task) -> None:
        best, judge, weight = self.state(context, task)
        original = weight.clone()
        try:
            scores = []
            for factor in (2.0, 1.0, 0.5):  # the same predictions, made with more or less confidence
                weight.copy_(original * factor)
                best.consider()
                scores.append(judge())
            assert len({h for h, _ in scores}) == 1
            best.restore()
            lowest = max(range(3), key=lambda i: scores[i][1])
            assert lowest != 2  # not simply the last
            assert torch.equal(weight, original * (2.0, 1.0, 0.5)[lowest])
        finally:
            weight.copy_(original)

    def test_without_validation_images_the_last_state_stays(self, context, task, splits) -> None:
        made = context()
        weight = made.model.module.get_submodule(made.model.head_name).weight
        original = weight.clone()
        empty = replace(task, validation=splits.validation.select([]))
        best = BestState([weight], made.judge(empty, GSLoRA().objective(made, empty)))
        try:
            for factor in (2.0, 3.0):
                weight.copy_(original * factor)
                best.consider()
            best.restore()
            assert torch.equal(weight, 3 * original)
        finally:
            weight.copy_(original)
