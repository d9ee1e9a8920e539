"""Random labels and SalUn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch.nn import functional

from expunge.adapters import Tuned, tuned
from expunge.errors import MethodError
from expunge.methods.fine_tuning import block_parameters
from expunge.methods.random_labels import RandomLabels, Relabelling, staying
from expunge.methods.salun import SalUn, forget_gradient, saliency_masks
from expunge.tasks.classification.batches import Batch
from expunge.tasks.classification.context import Context
from expunge.vision import ActivationCache, Output

RNG = np.random.default_rng(0)


def batch(images, logits) -> Batch:
    n = len(logits)
    return Batch(images.samples[:n], torch.tensor(images.labels[:n]), Output(torch.zeros(n, 48), torch.tensor(logits)))


def whole(images) -> Batch:
    return batch(images, np.zeros((len(images), 6), dtype=np.float32))


def cross_entropy(logits, labels) -> float:
    return float(-np.mean([log_softmax(row)[label] for row, label in zip(logits, labels, strict=True)]))


class TestRelabelling:
    def test_only_classes_that_stay_and_all_of_them(self, task, splits) -> None:
        """Amber and blue go now, elm went before; fern stays though it has no replayed image."""
        missing = replace(task, retain=task.retain.without([5]))
        labels = Relabelling(missing, 6, seed=0).labels(whole(task.forget))
        assert staying(task, 6) == [2, 3, 5]
        assert set(labels.tolist()) == {2, 3, 5}

    def test_an_image_keeps_its_label(self, task) -> None:
        relabelling = Relabelling(task, 6, seed=0)
        labels = relabelling.labels(whole(task.forget))
        shuffled = task.forget.select(reversed(range(len(task.forget))))
        assert torch.equal(relabelling.labels(whole(shuffled)), labels.flip(0))

    def test_the_seed_decides(self, task) -> None:
        first, again, other = (Relabelling(task, 6, seed).labels(whole(task.forget)) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_validation_images_have_labels_too(self, task) -> None:
        images = task.validation.only(task.targets)
        assert len(images) > 0
        assert set(Relabelling(task, 6, seed=0).labels(whole(images)).tolist()) <= {2, 3, 5}


def test_objective(context, task) -> None:
    kept, gone = RNG.normal(size=(4, 6)).astype(np.float32), RNG.normal(size=(3, 6)).astype(np.float32)
    labels = Relabelling(task, 6, seed=0).labels(batch(task.forget, gone)).tolist()
    expected = cross_entropy(kept, task.retain.labels[:4]) + 0.3 * cross_entropy(gone, labels)
    loss = RandomLabels(beta=0.3).objective(context(), task, Tuned({}, {}))
    assert loss(batch(task.retain, kept), batch(task.forget, gone)).item() == pytest.approx(expected, rel=1e-5)


class TestMasks:
    def test_by_hand(self) -> None:
        """One threshold for all tensors: the three largest of six magnitudes are 9, 7 and 5."""
        masks = saliency_masks([torch.tensor([[1.0, -9.0], [5.0, 0.0]]), torch.tensor([-7.0, 2.0])], 0.5)
        assert [mask.tolist() for mask in masks] == [[[False, True], [True, False]], [True, False]]

    @pytest.mark.parametrize(("fraction", "count"), [(1.0, 1001), (0.1, 100), (1e-9, 1)])
    def test_takes_the_fraction(self, fraction, count) -> None:
        gradients = [torch.tensor(RNG.normal(size=(20, 50))), torch.tensor(RNG.normal(size=1))]
        assert sum(int(mask.sum()) for mask in saliency_masks(gradients, fraction)) == count

    def test_half_is_what_lies_at_or_above_the_median(self) -> None:
        gradient = torch.tensor(RNG.normal(size=501))
        (mask,) = saliency_masks([gradient], 0.5)
        magnitudes = torch.abs(gradient)
        assert torch.equal(mask, magnitudes >= magnitudes.sort(descending=True).values[249])


def gradient_of_mean_loss(model, images) -> dict[str, torch.Tensor]:
    """All at once, without any cache or batches."""
    names = block_parameters(model, 0)
    with tuned(model.module, names) as weights:
        logits = model.module(model.prepare(images.load())).logits
        loss = functional.cross_entropy(logits, torch.tensor(images.labels))
        return dict(zip(names, torch.autograd.grad(loss, list(weights.parameters.values())), strict=True))


def test_forget_gradient_is_that_of_the_mean_loss_whatever_the_batches(toy_model, task) -> None:
    expected = gradient_of_mean_loss(toy_model, task.forget)
    made = Context(toy_model, ActivationCache(toy_model, batch_size=5))
    with tuned(toy_model.module, list(expected)) as weights:
        found = forget_gradient(made, task, list(weights.parameters.values()))
    for name, gradient in zip(expected, found, strict=True):
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("salient", [0.5, 0.1])
def test_salun_moves_exactly_the_salient_weights(context, task, salient) -> None:
    made = context()
    magnitudes = {name: g.abs() for name, g in gradient_of_mean_loss(made.model, task.forget).items()}
    flat = np.sort(torch.cat([m.flatten() for m in magnitudes.values()]).numpy())
    threshold = float(flat[len(flat) - round(salient * len(flat))])
    edit = SalUn(epochs=3, salient=salient, weight_decay=0.5).forget(made, task)
    moved = outside = inside = 0
    for name, magnitude in magnitudes.items():
        change = edit.dense[name] != 0 if name in edit.dense else torch.zeros_like(magnitude, dtype=torch.bool)
        clear = (magnitude / threshold - 1).abs() > 1e-3  # rounding may decide the few at the threshold
        outside += int((change & (magnitude < threshold) & clear).sum())
        inside += int(((magnitude > threshold) & clear).sum())
        moved += int((change & (magnitude > threshold) & clear).sum())
    assert outside == 0
    assert inside > 0.95 * salient * len(flat)
    assert moved > 0.99 * inside


def test_salun_with_every_weight_is_random_labels(context, task) -> None:
    masked = SalUn(epochs=2, salient=1.0).forget(context(), task)
    plain = RandomLabels(epochs=2).forget(context(), task)
    assert list(masked.dense) == list(plain.dense)
    assert all(torch.equal(masked.dense[name], plain.dense[name]) for name in plain.dense)


@pytest.mark.parametrize("salient", [0.0, 1.1])
def test_bad_fraction(salient) -> None:
    with pytest.raises(MethodError, match="salient must be"):
        SalUn(salient=salient)
