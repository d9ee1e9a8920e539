"""SCRUB, SCRUB-S and NegGrad+, the three methods of Kurmanji et al."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from expunge.adapters import EditStack, Tuned
from expunge.errors import MethodError
from expunge.methods.neg_grad import NegGradPlus
from expunge.methods.scrub import SCRUB, Follower, Turns, distillation
from expunge.methods.scrub_s import SCRUBS
from expunge.tasks.classification.batches import Batch
from expunge.vision import Output

RNG = np.random.default_rng(0)
NOTHING = Tuned({}, {})


def batch(images, n: int) -> tuple[Batch, torch.Tensor]:
    """The first `n` images with made-up logits that can take a gradient."""
    logits = torch.tensor(RNG.normal(size=(n, 6)), dtype=torch.float32, requires_grad=True)
    return Batch(images.samples[:n], torch.tensor(images.labels[:n]), Output(torch.zeros(n, 48), logits)), logits


def teachers_logits(model, images, n: int) -> np.ndarray:
    with torch.no_grad():
        return model(model.prepare(images.load(range(n)))).logits.double().numpy()


def mean_kl(teacher, student, temperature: float) -> float:
    pairs = zip(teacher / temperature, student / temperature, strict=True)
    return float(np.mean([entropy(softmax(t), softmax(s)) for t, s in pairs]))


def cross_entropy(logits, labels) -> float:
    return float(-np.mean([log_softmax(row)[label] for row, label in zip(logits, labels, strict=True)]))


def accuracy(model, edit, images) -> float:
    stack = EditStack(model)
    stack.push(edit)
    try:
        found = model(model.prepare(images.load())).logits.argmax(1)
        return (found == torch.tensor(images.labels)).float().mean().item()
    finally:
        stack.undo()


def size(edit) -> float:
    return float(torch.stack([change.square().sum() for change in edit.dense.values()]).sum().sqrt())


class TestDistillation:
    @pytest.mark.parametrize("temperature", [1.0, 3.0])
    def test_against_scipy(self, temperature) -> None:
        student, teacher = RNG.normal(size=(5, 7)), RNG.normal(size=(5, 7))
        found = distillation(torch.tensor(student), torch.tensor(teacher), temperature)
        assert found.item() == pytest.approx(temperature**2 * mean_kl(teacher, student, temperature), rel=1e-9)

    def test_a_masked_class_counts_as_probability_zero(self) -> None:
        student = torch.tensor([[1.0, 2.0, 0.5]], requires_grad=True)
        found = distillation(student, torch.tensor([[0.3, float("-inf"), 0.1]]))
        target = softmax([0.3, 0.1])
        whole = softmax([1.0, 2.0, 0.5])
        expected = sum(p * np.log(p / q) for p, q in zip(target, (whole[0], whole[2]), strict=True))
        assert found.item() == pytest.approx(expected, rel=1e-5)
        (gradient,) = torch.autograd.grad(found, student)
        assert gradient[0].tolist() == pytest.approx([whole[0] - target[0], whole[1], whole[2] - target[1]], rel=1e-4)


class TestTurns:
    @pytest.mark.parametrize(
        ("length", "fraction", "expected"),
        [
            (1, 0.5, "M-M-----"),
            (1, 1.0, "M-M-M-M-"),
            (2, 1.0, "MM--MM--"),
            (3, 0.5, "MMM-----"),
            (1, 0.0, "--------"),
        ],
    )
    def test_max_steps_come_first_and_end_early(self, length, fraction, expected) -> None:
        turns, found = Turns(length, fraction), ""
        for step in range(8):
            found += "M" if turns.maximising else "-"
            turns.advance((step + 1) / 8)
        assert found == expected


class TestObjective:
    def expected(self, model, task, retain, forget) -> tuple[float, float]:
        kept = teachers_logits(model, task.retain, 4)
        gone = teachers_logits(model, task.forget, 3)
        pulled = 0.7 * 4 * mean_kl(kept, retain.detach().numpy(), 2.0)
        classified = 0.9 * cross_entropy(retain.detach().numpy(), task.retain.labels[:4])
        return pulled + classified, -0.3 * 4 * mean_kl(gone, forget.detach().numpy(), 2.0)

    @pytest.mark.parametrize("turns", [None, Turns(1, 1.0), Turns(1, 0.0)])
    def test_value_is_the_same_in_every_turn(self, context, task, turns) -> None:
        made = context()
        (retain, kept), (forget, gone) = batch(task.retain, 4), batch(task.forget, 3)
        method = SCRUB(beta=0.3, distil=0.7, classify=0.9)
        found = method.objective(made, task, NOTHING, turns)(retain, forget)
        assert found.item() == pytest.approx(sum(self.expected(made.model, task, kept, gone)), rel=1e-4)

    @pytest.mark.parametrize(
        ("turns", "moves_kept", "moves_gone"),
        [(None, True, True), (Turns(1, 1.0), False, True), (Turns(1, 0.0), True, False)],
    )
    def test_only_the_part_whose_turn_it_is_has_a_gradient(self, context, task, turns, moves_kept, moves_gone) -> None:
        (retain, kept), (forget, gone) = batch(task.retain, 4), batch(task.forget, 3)
        loss = SCRUB().objective(context(), task, NOTHING, turns)(retain, forget)
        gradients = torch.autograd.grad(loss, (kept, gone), materialize_grads=True)
        assert [bool(gradient.any()) for gradient in gradients] == [moves_kept, moves_gone]


class TestFollower:
    def test_by_hand(self) -> None:
        weights = [torch.tensor([0.0, 0.0]), torch.tensor([1.0])]
        follower = Follower(weights)
        weights[0].copy_(torch.tensor([3.0, 4.0]))
        weights[1].fill_(3.0)
        assert follower.distance().item() == pytest.approx(5 + 2)
        follower.follow(0.05)
        assert follower.distance().item() == pytest.approx(5 + 2)
        follower.follow(0.1)  # the first tenth is over: the average goes a tenth of the way
        assert follower.distance().item() == pytest.approx(0.9 * (5 + 2))
        follower.follow(0.19)
        assert follower.distance().item() == pytest.approx(0.9 * (5 + 2))
        follower.follow(0.2)
        assert follower.distance().item() == pytest.approx(0.81 * (5 + 2))

    def test_has_a_gradient_of_zero_where_nothing_has_moved(self) -> None:
        weight = torch.ones(3, requires_grad=True)
        Follower([weight]).distance().backward()
        assert weight.grad is not None
        assert weight.grad.tolist() == [0.0, 0.0, 0.0]


def test_scrub_s_is_scrub_with_smoothing(context, task) -> None:
    assert dataclasses.asdict(SCRUBS()) == dataclasses.asdict(SCRUB(smoothing=0.05))
    plain = SCRUB(epochs=3).forget(context(), task)
    without = SCRUBS(epochs=3, smoothing=0.0).forget(context(), task)
    assert all(torch.equal(plain.dense[name], without.dense[name]) for name in plain.dense)


def test_smoothing_holds_the_weights_back(context, task, splits) -> None:
    free = dataclasses.replace(task, validation=splits.validation.select([]))  # the last state, not the best
    sizes = [size(SCRUBS(epochs=4, smoothing=s).forget(context(), free)) for s in (0.0, 0.3, 0.6)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_without_max_steps_nothing_is_forgotten(context, task, splits) -> None:
    made = context()
    targets = splits.test.only(task.targets)
    assert accuracy(made.model, SCRUB(epochs=16, max_fraction=0.0).forget(made, task), targets) > 0.5
    assert accuracy(made.model, SCRUB(epochs=16).forget(made, task), targets) < 0.1


class TestNegGradPlus:
    def test_objective(self, context, task) -> None:
        (retain, kept), (forget, gone) = batch(task.retain, 4), batch(task.forget, 3)
        found = NegGradPlus(beta=0.3).objective(context(), task, NOTHING)(retain, forget)
        kept_loss = cross_entropy(kept.detach().numpy(), task.retain.labels[:4])
        gone_loss = cross_entropy(gone.detach().numpy(), task.forget.labels[:3])
        assert found.item() == pytest.approx(kept_loss - 0.3 * gone_loss, rel=1e-5)

    def test_the_ascent_knows_no_bound(self, context, task) -> None:
        """However wrong the logits are, each step still pushes them as hard."""
        retain, _ = batch(task.retain, 4)
        wrong = torch.zeros(2, 6)
        wrong[:, 5] = 1e3
        wrong.requires_grad_()
        forget = Batch(task.forget.samples[:2], torch.tensor(task.forget.labels[:2]), Output(torch.zeros(2, 48), wrong))
        loss = NegGradPlus(beta=0.3).objective(context(), task, NOTHING)(retain, forget)
        (gradient,) = torch.autograd.grad(loss, wrong)
        assert gradient[:, task.forget.labels[0]].tolist() == pytest.approx([0.3 / 2] * 2)

    def test_clipping_to_almost_nothing_stops_the_training(self, context, task) -> None:
        """AdamW forgives a gradient's scale until it drowns in the optimizer's epsilon of 1e-8."""
        free = NegGradPlus(epochs=2, weight_decay=0.0).forget(context(), task)
        clipped = NegGradPlus(epochs=2, weight_decay=0.0, clip=1e-10).forget(context(), task)
        assert 0 < size(clipped) < 0.01 * size(free)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        (SCRUB, {"temperature": 0.0}, "temperature must be greater than 0"),
        (SCRUB, {"turn": 0}, "turn must be greater than 0"),
        (SCRUB, {"distil": -0.1}, "distil must be 0 or more"),
        (SCRUB, {"classify": -0.1}, "classify must be 0 or more"),
        (SCRUBS, {"smoothing": -0.1}, "smoothing must be 0 or more"),
        (SCRUBS, {"max_fraction": 1.5}, "max_fraction must be 1 or less"),
        (NegGradPlus, {"clip": -1.0}, "clip must be 0"),
        (NegGradPlus, {"epochs": 0}, "epochs must be greater than 0"),
    ],
)
def test_bad_settings(method, settings, message) -> None:
    with pytest.raises(MethodError, match=message):
        method(**settings)
