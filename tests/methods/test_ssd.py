from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from expunge.adapters import EditStack, tuned
from expunge.errors import MethodError
from expunge.methods.fine_tuning import block_parameters
from expunge.methods.ssd import ALPHAS, SSD, dampening_factor, importance

NAME = "vit.layers.2.mlp.fc2.weight"


def squared_gradients(model, images, indices) -> torch.Tensor:
    """Mean squared gradient of the cross-entropy for `NAME`, by the whole model's own passes."""
    weight = model.module.get_parameter(NAME).requires_grad_(True)
    total = torch.zeros_like(weight)
    try:
        for index in indices:
            logits = model.module(model.prepare(images.load([index]))).logits
            loss = functional.cross_entropy(logits, torch.tensor([images.labels[index]]))
            total += torch.autograd.grad(loss, weight)[0].square()
    finally:
        weight.requires_grad_(False)
    return total / len(indices)


@pytest.mark.parametrize(
    ("alpha", "dampening", "expected"),
    [
        (10.0, 1.0, [1 / 20, 1.0, 1.0, 1.0, 0.0]),
        (4.0, 1.0, [1 / 20, 4 / 20, 1 / 5, 1.0, 0.0]),
        (4.0, 4.0, [4 / 20, 16 / 20, 4 / 5, 1.0, 0.0]),
        (4.0, 5.5, [5.5 / 20, 1.0, 1.0, 1.0, 0.0]),  # no weight ever grows
    ],
)
def test_dampens_by_the_ratio_and_only_above_alpha(alpha, dampening, expected) -> None:
    forget = torch.tensor([20.0, 20.0, 5.0, 0.0, 3.0])
    retain = torch.tensor([1.0, 4.0, 1.0, 0.0, 0.0])
    assert dampening_factor(forget, retain, alpha, dampening).tolist() == pytest.approx(expected)


def test_importance_is_the_mean_squared_gradient(context, task) -> None:
    made = context(1)
    with tuned(made.model.module, [NAME]) as weights:
        found = importance(made, task.forget, weights, 0)[NAME]
    expected = squared_gradients(made.model, task.forget, range(len(task.forget)))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-12)


def test_samples_are_drawn_by_the_seed(context, task) -> None:
    found = []
    for seed in (0, 0, 1):
        made = context(1, seed=seed)
        with tuned(made.model.module, [NAME]) as weights:
            found.append(importance(made, task.retain, weights, 3)[NAME])
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])
    drawn = torch.randperm(len(task.retain), generator=torch.Generator().manual_seed(1))[:3].tolist()
    torch.testing.assert_close(found[2], squared_gradients(context().model, task.retain, drawn), rtol=1e-3, atol=1e-12)


def test_the_edit_dampens_exactly_the_selected_weights(context, task) -> None:
    made = context()
    edit = SSD(alpha=5.0).forget(made, task)
    forget, retain = (squared_gradients(made.model, part, range(len(part))) for part in (task.forget, task.retain))
    before = made.model.module.get_parameter(NAME)
    ratio = forget / retain
    sure = (ratio / 5.0 - 1).abs() > 0.01  # where the two ways of summing agree on the side
    assert 0 < (ratio > 5.0).sum() < ratio.numel()
    assert torch.equal((edit.dense[NAME] != 0)[sure], (ratio > 5.0)[sure])
    expected = torch.where(ratio > 5.0, before / ratio, before)
    torch.testing.assert_close((before + edit.dense[NAME])[sure], expected[sure], rtol=1e-2, atol=1e-6)


def test_head_and_embeddings_stay(context, task) -> None:
    made = context(2)
    method = SSD(last_blocks=1)
    assert method.first_block(made.model) == 2
    assert set(method.forget(made, task).dense) <= set(block_parameters(made.model, 2))


def score(model, task, edit) -> float:
    stack = EditStack(model)

    def accuracy(targets: bool) -> float:
        images = task.validation.only(task.targets) if targets else task.validation.without(task.targets)
        logits = model(model.prepare(images.load())).logits
        return (logits.argmax(1) == torch.tensor(images.labels)).float().mean().item()

    before = accuracy(True)
    stack.push(edit)
    try:
        drop, kept = max(0.0, before - accuracy(True)), accuracy(False)
    finally:
        stack.undo()
    return 2 * drop * kept / (drop + kept) if drop + kept else 0.0


def test_alpha_is_chosen_on_the_validation_split(context, task) -> None:
    made = context()
    edits = [SSD(alpha=alpha, samples=8).forget(made, task) for alpha in ALPHAS]
    scores = [score(made.model, task, edit) for edit in edits]
    assert len(set(scores)) > 1
    chosen = SSD(samples=8).forget(made, task)
    winners = [edit for edit, value in zip(edits, scores, strict=True) if value == max(scores)]
    assert any(
        list(chosen.dense) == list(edit.dense) and all(torch.equal(chosen.dense[n], edit.dense[n]) for n in edit.dense)
        for edit in winners
    )


def test_without_a_validation_split_the_training_images_judge(context, task) -> None:
    made = context()
    parts = task.forget, task.retain
    samples, labels = (tuple(x for part in parts for x in getattr(part, name)) for name in ("samples", "labels"))
    training = replace(task.forget, samples=samples, labels=labels)
    found, expected = (
        SSD(samples=8).forget(made, replace(task, validation=judged))
        for judged in (task.validation.select([]), training)
    )
    assert list(found.dense) == list(expected.dense)
    assert all(torch.equal(found.dense[name], expected.dense[name]) for name in found.dense)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -1.0}, "alpha must be 0 or more"),
        ({"samples": -1}, "samples must be 0 or more"),
        ({"dampening": 0.0}, "dampening must be greater than 0"),
    ],
)
def test_bad_settings_of_ssd(settings, message) -> None:
    with pytest.raises(MethodError, match=message):
        SSD(**settings)
