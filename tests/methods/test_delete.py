from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from expunge.adapters import Tuned
from expunge.methods.delete import DELETE, without_classes
from expunge.tasks.classification.batches import Batch
from expunge.vision import Output

RNG = np.random.default_rng(0)
NOTHING = Tuned({}, {})
STAYING = [2, 3, 5]  # amber and blue go now, elm went before


def batch(images, logits) -> Batch:
    n = len(logits)
    labels = torch.tensor(images.labels[:n])
    return Batch(images.samples[:n], labels, Output(torch.zeros(n, 48), torch.as_tensor(logits, dtype=torch.float32)))


def teachers_logits(model, images, n: int) -> np.ndarray:
    with torch.no_grad():
        return model(model.prepare(images.load(range(n)))).logits.double().numpy()


def test_the_mask_shares_a_classs_probability_among_the_others() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    found = without_classes(logits, (1, 3)).softmax(dim=1)[0].tolist()
    expected = softmax([1.0, 3.0])
    assert found == pytest.approx([expected[0], 0.0, expected[1], 0.0])
    assert logits.tolist() == [[1.0, 2.0, 3.0, 4.0]]


def test_objective(context, task) -> None:
    """KL from the teacher renormalised over what stays to the student over all classes."""
    made = context()
    student = RNG.normal(size=(3, 6))
    terms = []
    for teacher, row in zip(teachers_logits(made.model, task.forget, 3), student, strict=True):
        target = np.zeros(6)
        target[STAYING] = softmax(teacher[STAYING])
        terms.append(entropy(target, softmax(row)))
    loss = DELETE().objective(made, task, NOTHING)
    found = loss(batch(task.retain, RNG.normal(size=(4, 6))), batch(task.forget, student))
    assert found.item() == pytest.approx(np.mean(terms), rel=1e-5)


def test_the_least_loss_is_the_masked_teacher_itself(context, task) -> None:
    made = context()
    perfect = teachers_logits(made.model, task.forget, 3)
    perfect[:, [0, 1, 4]] = -100.0
    loss = DELETE().objective(made, task, NOTHING)
    found = loss(batch(task.retain, np.zeros((2, 6))), batch(task.forget, perfect))
    assert found.item() == pytest.approx(0.0, abs=1e-6)


def test_retained_images_play_no_part_in_training(context, task, splits) -> None:
    """Another replay of the same size, and no validation: the same edit."""
    blind = replace(task, validation=splits.validation.select([]))
    one_class = task.retain.only([2])
    other = replace(blind, retain=one_class.select([i % len(one_class) for i in range(len(task.retain))]))
    first, second = (DELETE(epochs=3).forget(context(), given) for given in (blind, other))
    assert list(first.dense) == list(second.dense)
    for name, change in first.dense.items():
        torch.testing.assert_close(change, second.dense[name], rtol=1e-3, atol=1e-5)
    another = DELETE(epochs=3).forget(context(), replace(blind, forget=task.forget.only([0])))
    assert any((another.dense[name] - change).abs().max() > 1e-3 for name, change in first.dense.items())
