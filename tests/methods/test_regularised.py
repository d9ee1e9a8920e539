"""L2, EWC and MAS: penalties on the change of the weights."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from expunge.adapters import tuned
from expunge.errors import MethodError
from expunge.methods._importance import scaled_to_mean_one, weighted_change
from expunge.methods.ewc import EWC
from expunge.methods.fine_tuning import block_parameters
from expunge.methods.l2 import L2
from expunge.methods.mas import MAS
from expunge.tasks.classification.batches import Batch
from expunge.tasks.classification.context import Context
from expunge.vision import ActivationCache, CosFaceHead, VisionModel

KINDS = pytest.mark.parametrize("kind", [L2, EWC, MAS])


def with_head(model: VisionModel, head) -> VisionModel:
    return VisionModel(deepcopy(model.module), model.classes, preprocess=model.preprocess, head=head)


def gradients(model: VisionModel, images, names, scalar) -> dict[str, np.ndarray]:
    """(images, *shape) for each name: gradients of single images through the whole model, without caches."""
    module = deepcopy(model.module)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for sample, label in zip(images.samples, images.labels, strict=True):
        module.requires_grad_(True).zero_grad()
        scalar(module(model.prepare([sample.load()])).logits[0], label).backward()
        for name in names:
            rows[name].append(gradient_of(module, name))
    return {name: np.stack(row) for name, row in rows.items()}


def gradient_of(module: torch.nn.Module, name: str) -> np.ndarray:
    gradient = module.get_parameter(name).grad
    assert gradient is not None
    return gradient.numpy().copy()


def relabelled(task):
    """The model is sure of its replay; with wrong labels the gradients are large enough to be compared in float32."""
    following = {2: 3, 3: 5, 5: 2}
    return replace(task, retain=replace(task.retain, labels=tuple(following[label] for label in task.retain.labels)))


def close(found: np.ndarray, expected: np.ndarray, *, floor: float = 0.0) -> bool:
    """Equal up to float32's rounding; below `floor` there is nothing but rounding."""
    return bool(np.abs(found - expected).max() <= 1e-4 * max(np.abs(expected).max(), floor))


def importance(method, context: Context, task) -> dict[str, np.ndarray]:
    names = block_parameters(context.model, context.activations.entry)
    with tuned(context.model.module, names) as weights:
        return {name: part.numpy() for name, part in zip(names, method.importance(context, task, weights), strict=True)}


def nll(logits, label):
    return torch.logsumexp(logits, 0) - logits[label]


def nll_with_margin(logits, label):
    return nll(logits - 4.0 * 0.5 * torch.eye(len(logits))[label], label)


@pytest.mark.parametrize(
    ("head", "loss"), [(None, nll), (CosFaceHead(scale=4.0, margin=0.5), nll_with_margin)], ids=["softmax", "cosface"]
)
def test_fisher_is_the_mean_of_squared_gradients_of_single_images(context, task, head, loss) -> None:
    made = context(2)
    if head is not None:
        model = with_head(made.model, head)
        made = Context(model, ActivationCache(model, 2))
    wrong = relabelled(task)
    found = importance(EWC(), made, wrong)
    floor = 1e-6 * max(part.max() for part in found.values())  # a key's bias has no effect, and no gradient
    for name, rows in gradients(made.model, wrong.retain, found, loss).items():
        assert close(found[name], np.mean(rows**2, axis=0), floor=floor)


def test_mas_is_the_mean_magnitude_of_the_gradient_of_the_squared_logits(context, task) -> None:
    made = context(2)
    found = importance(MAS(), made, task)
    floor = 1e-3 * max(part.max() for part in found.values())  # the root of the floor for squares
    for name, rows in gradients(made.model, task.retain, found, lambda logits, _: (logits**2).sum()).items():
        assert close(found[name], np.mean(np.abs(rows), axis=0), floor=floor)


def test_mas_needs_no_labels(context, task) -> None:
    first, second = (importance(MAS(), context(2), t) for t in (task, relabelled(task)))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_importance_is_measured_on_as_many_images_as_said(context, task) -> None:
    wrong = relabelled(task)
    two, other = (importance(EWC(samples=2), context(2, seed=seed), wrong) for seed in (0, 1))
    name = next(iter(two))
    squares = gradients(context(2).model, wrong.retain, [name], nll)[name] ** 2
    means = [(squares[i] + squares[j]) / 2 for i in range(len(squares)) for j in range(i)]
    for found in (two, other):
        assert sum(close(found[name], mean) for mean in means) == 1
    assert not close(two[name], other[name])


def test_no_limit_means_all_images(context, task) -> None:
    name = block_parameters(context(2).model, 2)[0]
    whole, many = (importance(MAS(samples=samples), context(2), task)[name] for samples in (0, 1000))
    assert np.array_equal(whole, many)


def test_scaled_to_mean_one_by_hand() -> None:
    parts = scaled_to_mean_one([torch.tensor([1.0, 3.0]), torch.tensor([[0.0], [12.0]])])
    assert [part.tolist() for part in parts] == [[0.25, 0.75], [[0.0], [3.0]]]


def test_no_importance_at_all_stays_zero() -> None:
    assert scaled_to_mean_one([torch.zeros(2)])[0].tolist() == [0.0, 0.0]


def test_weighted_change_by_hand() -> None:
    found = weighted_change(
        [torch.tensor([1.0, 2.0]), torch.tensor([10.0])],
        [torch.tensor([3.0, 5.0]), torch.tensor([0.0])],
        [torch.tensor([1.0, 4.0]), torch.tensor([0.5])],
    )
    assert found.item() == pytest.approx(1 * 4 + 2 * 1 + 10 * 0.25)


def cross_entropy(batch: Batch) -> float:
    logits, labels = batch.output.logits.detach().numpy(), batch.labels.numpy()
    return float(-np.mean([log_softmax(row)[label] for row, label in zip(logits, labels, strict=True)]))


@KINDS
def test_objective(context, task, kind) -> None:
    made = context(2)
    method = kind(beta=0.3, bound=9.0, strength=0.7)
    names = block_parameters(made.model, 2)
    raw = importance(method, made, task)
    mean = sum(part.sum() for part in raw.values()) / sum(part.size for part in raw.values())
    with tuned(made.model.module, names) as weights:
        objective = method.objective(made, task, weights)
        penalty = 0.0
        with torch.no_grad():
            for position, (name, parameter) in enumerate(weights.parameters.items()):
                change = 0.01 * np.random.default_rng(position).normal(size=raw[name].shape)
                parameter.add_(torch.tensor(change).float())
                penalty += float(np.sum(raw[name] / mean * change**2))
        retain, forget = made.batches(task, [0, 3, 7], [1, 2])
        expected = cross_entropy(retain) + 0.3 * max(0.0, 9.0 - cross_entropy(forget)) + 0.7 / 2 * penalty
        assert objective(retain, forget).item() == pytest.approx(expected, rel=1e-3)
        assert penalty > 0.1  # large enough that the comparison sees it


@KINDS
def test_a_stronger_penalty_moves_important_weights_less(context, task, kind) -> None:
    raw = importance(kind(), context(2), task)
    moved = []
    for strength in (0.0, 100.0):
        edit = kind(epochs=5, last_blocks=1, strength=strength).forget(context(2), task)
        moved.append(sum(float(np.sum(raw[name] * change.numpy() ** 2)) for name, change in edit.dense.items()))
    assert moved[1] < 0.5 * moved[0]


def test_ewc_spares_the_important_weights_more_than_l2_does(context, task) -> None:
    """Of the whole change, a smaller share falls on weights that matter to the replay."""
    fisher = importance(EWC(), context(2), task)
    shares = []
    for kind in (L2, EWC):
        edit = kind(epochs=10, last_blocks=1, strength=1.0).forget(context(2), task)
        changes = {name: change.numpy() ** 2 for name, change in edit.dense.items()}
        shares.append(sum(np.sum(fisher[n] * c) for n, c in changes.items()) / sum(c.sum() for c in changes.values()))
    assert shares[1] < shares[0]


@pytest.mark.parametrize(
    ("kind", "settings"), [(L2, {"strength": -0.1}), (EWC, {"strength": -1.0}), (MAS, {"samples": -1})]
)
def test_bad_settings(kind, settings) -> None:
    with pytest.raises(MethodError, match=f"{next(iter(settings))} must be 0 or more, got -"):
        kind(**settings)
