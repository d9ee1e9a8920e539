"""LwF, DER, DER++ and FDR: what the model said before holds it to what stays."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from expunge.adapters import EditStack, tuned
from expunge.errors import MethodError
from expunge.methods.der import DER
from expunge.methods.der_pp import DERPlusPlus
from expunge.methods.fdr import FDR, function_distance
from expunge.methods.fine_tuning import block_parameters
from expunge.methods.lwf import LwF
from expunge.tasks.classification.batches import Batch
from expunge.tasks.classification.context import Context
from expunge.tasks.classification.teacher import softened_cross_entropy
from expunge.vision import Output

RNG = np.random.default_rng(0)
NEW, FORGOTTEN = RNG.normal(size=(4, 6)), RNG.normal(size=(3, 6))
CHOSEN = [5, 0, 9, 2]


def batch(images, indices, logits, labels=None) -> Batch:
    return Batch(
        tuple(images.samples[i] for i in indices),
        torch.tensor([images.labels[i] for i in indices] if labels is None else labels),
        Output(torch.zeros(len(indices), 48), torch.tensor(logits).float()),
    )


def value(method, context: Context, task, *, labels=None, logits=NEW) -> float:
    """The objective where the retain batch now has `logits` (and `labels`), whatever the weights have become."""
    with tuned(context.model.module, block_parameters(context.model, 0)) as weights:
        objective = method.objective(context, task, weights)
        with torch.no_grad():
            for parameter in weights.parameters.values():
                parameter.zero_()  # what the teacher says must not depend on the weights in training
        return float(objective(batch(task.retain, CHOSEN, logits, labels), batch(task.forget, [0, 4, 9], FORGOTTEN)))


def old_logits(context: Context, task) -> np.ndarray:
    pixels = context.model.prepare([task.retain.samples[i].load() for i in CHOSEN])
    with torch.no_grad():
        return context.model(pixels).logits.numpy()


def cross_entropy(logits, labels) -> float:
    return float(-np.mean([log_softmax(row)[label] for row, label in zip(logits, labels, strict=True)]))


def terms(task) -> tuple[float, float]:
    """L_retain, and ReLU(9 - L_forget)."""
    retained = cross_entropy(NEW, [task.retain.labels[i] for i in CHOSEN])
    return retained, max(0.0, 9.0 - cross_entropy(FORGOTTEN, [task.forget.labels[i] for i in (0, 4, 9)]))


def test_objective_of_lwf(context, task) -> None:
    made = context()
    retained, pushed = terms(task)
    old = old_logits(made, task)
    powers = softmax(old, axis=1) ** (1 / 3)  # as equation 3 of the paper has it
    new = softmax(NEW, axis=1) ** (1 / 3)
    p, q = powers / powers.sum(1, keepdims=True), new / new.sum(1, keepdims=True)
    expected = retained + 0.3 * pushed + 0.7 * np.mean(-np.sum(p * np.log(q), axis=1))
    method = LwF(beta=0.3, bound=9.0, distillation=0.7, temperature=3.0)
    assert value(method, made, task) == pytest.approx(expected, rel=1e-4)


def test_objective_of_der_has_no_labels(context, task) -> None:
    made = context()
    expected = 0.3 * terms(task)[1] + 0.7 * np.mean((NEW - old_logits(made, task)) ** 2)
    method = DER(beta=0.3, bound=9.0, logit_weight=0.7)
    assert value(method, made, task) == pytest.approx(expected, rel=1e-4)
    assert value(method, made, task, labels=[0, 0, 0, 0]) == value(method, made, task)


def test_objective_of_der_plus_plus_adds_the_labels(context, task) -> None:
    made = context()
    retained, pushed = terms(task)
    expected = 0.3 * pushed + 0.7 * np.mean((NEW - old_logits(made, task)) ** 2) + 0.4 * retained
    method = DERPlusPlus(beta=0.3, bound=9.0, logit_weight=0.7, label_weight=0.4)
    assert value(method, made, task) == pytest.approx(expected, rel=1e-4)


def test_objective_of_fdr_has_no_labels(context, task) -> None:
    made = context()
    distance = np.sqrt(np.mean(np.sum((NEW - old_logits(made, task)) ** 2, axis=1)))
    method = FDR(beta=0.3, bound=9.0, distance_weight=0.7)
    assert value(method, made, task) == pytest.approx(0.3 * terms(task)[1] + 0.7 * distance, rel=1e-4)
    assert value(method, made, task, labels=[0, 0, 0, 0]) == value(method, made, task)


@pytest.mark.parametrize("kind", [DER, FDR])
def test_at_the_old_logits_nothing_but_forgetting_is_left(context, task, kind) -> None:
    made = context()
    found = value(kind(beta=0.3, bound=9.0), made, task, logits=old_logits(made, task))
    assert found == pytest.approx(0.3 * terms(task)[1], rel=1e-5)


def test_softened_cross_entropy_by_hand() -> None:
    """Logits 2·ln 3 apart at temperature 2: probabilities 3/4 and 1/4 against an undecided model."""
    old = torch.tensor([[2 * np.log(3), 0.0]]).float()
    assert softened_cross_entropy(torch.zeros(1, 2), old, 2.0).item() == pytest.approx(np.log(2))
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert softened_cross_entropy(old, old, 2.0).item() == pytest.approx(entropy)


def test_softened_cross_entropy_pulls_towards_the_old_logits() -> None:
    old = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 2.0]])
    new = old.clone().requires_grad_(True)
    gradient = torch.autograd.grad(softened_cross_entropy(new, old, 2.0), new)[0]
    assert gradient.abs().max().item() < 1e-7


def test_function_distance_by_hand() -> None:
    f, g = torch.tensor([[3.0, 4.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    assert function_distance(f, g).item() == pytest.approx(np.sqrt((25 + 1) / 2))


def test_a_training_may_start_where_the_function_distance_is_zero() -> None:
    f = torch.ones(2, 3, requires_grad=True)
    gradient = torch.autograd.grad(function_distance(f, torch.ones(2, 3)), f)[0]
    assert gradient.tolist() == [[0.0] * 3] * 2


def centred(logits: np.ndarray) -> np.ndarray:
    """Without their mean, which no softmax sees."""
    return logits - logits.mean(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("kind", "weight"),
    [(LwF, "distillation"), (DER, "logit_weight"), (DERPlusPlus, "logit_weight"), (FDR, "distance_weight")],
)
def test_a_heavier_weight_keeps_the_replay_closer_to_what_it_was(context, task, kind, weight) -> None:
    made = context(2)
    before = centred(old_logits(made, task))
    drifts = []
    for factor in (0.0, 20.0):
        method = kind(epochs=10, last_blocks=1, validate_every=10, **{weight: factor})
        stack = EditStack(made.model)
        stack.push(method.forget(context(2), replace(task, validation=task.validation.select([]))))
        try:
            drifts.append(np.abs(centred(old_logits(made, task)) - before).max())
        finally:
            stack.undo()
    assert drifts[1] < 0.5 * drifts[0]


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (LwF, {"distillation": -1.0}, "distillation must be 0 or more, got -1"),
        (LwF, {"temperature": 0.0}, "temperature must be greater than 0, got 0"),
        (DER, {"logit_weight": -0.5}, "logit_weight must be 0 or more"),
        (DERPlusPlus, {"label_weight": -0.5}, "label_weight must be 0 or more"),
        (FDR, {"distance_weight": -0.5}, "distance_weight must be 0 or more"),
    ],
)
def test_bad_settings(kind, settings, message) -> None:
    with pytest.raises(MethodError, match=message):
        kind(**settings)
