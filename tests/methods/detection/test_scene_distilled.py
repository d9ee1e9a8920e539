"""LwF, DER and DER++: the old queries are found again, and what they said is held, but of the targets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax

from expunge.adapters import tuned
from expunge.methods._losses import forget_term
from expunge.methods.der import DER
from expunge.methods.fine_tuning import block_parameters
from expunge.tasks.detection.batches import make_batch, outputs
from expunge.tasks.detection.teacher import box_distance, in_order_of, softened
from expunge.vision.detection import Criterion, DetectionOutput
from tests.methods.detection.little import context_of, little_task, made, said

SORTS = pytest.mark.parametrize("sort", ["two_stage", "plain"])
CHOSEN = [0, 3, 5]


@pytest.fixture
def model(sort: str, two_stage, plain):
    return two_stage if sort == "two_stage" else plain


def shuffled(output: DetectionOutput) -> DetectionOutput:
    order = torch.randperm(output.logits.shape[1], generator=torch.Generator().manual_seed(3))
    return DetectionOutput(output.features[:, order], output.logits[:, order], output.boxes[:, order], output.kind)


@SORTS
def test_queries_are_found_again_in_any_order(model) -> None:
    context, task = context_of(model), little_task()
    teacher = context.teacher(task)
    with torch.no_grad():
        batch, _ = context.batches(task, CHOSEN, [0])
    for output in (batch.output, shuffled(batch.output)):
        now, old = teacher.pair(replace(batch, output=output))
        torch.testing.assert_close(now.logits, old.logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(now.boxes, old.boxes, rtol=1e-4, atol=1e-4)


@SORTS
def test_the_teacher_is_as_precise_as_whom_it_is_compared_with(model, monkeypatch) -> None:
    """Training steps in bfloat16, as on a CUDA device; the judge looks in float32."""
    monkeypatch.setattr(
        "expunge.tasks.detection.batches.autocast", lambda device: torch.autocast("cpu", dtype=torch.bfloat16)
    )
    context, task = context_of(model), little_task()
    teacher = context.teacher(task)
    with torch.no_grad():
        trained, _ = context.batches(task, CHOSEN, [0])
    exact = outputs(context.activations, task.validation)
    judged = make_batch(task.validation, range(len(task.validation)), exact)
    for batch in (trained, judged):
        now, old = teacher.pair(batch)
        torch.testing.assert_close(now.logits, old.logits, rtol=0, atol=1e-4)


def test_an_edited_encoder_moves_queries_about_and_they_are_found(two_stage) -> None:
    """Query by query in their places, they are further from what they were than the pairs are."""
    context, task = context_of(two_stage), little_task()
    teacher = context.teacher(task)
    names = block_parameters(two_stage, 0)
    with tuned(two_stage.module, names) as weights, torch.no_grad():
        before = context.batches(task, CHOSEN, [0])[0]
        generator = torch.Generator().manual_seed(1)
        for parameter in weights.parameters.values():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
        after = context.batches(task, CHOSEN, [0])[0]
        now, old = teacher.pair(after)
    paired = box_distance(now.boxes, old.boxes, two_stage.criterion)
    in_place = box_distance(after.output.boxes, before.output.boxes, two_stage.criterion)
    assert not torch.equal(after.output.boxes, now.boxes)
    assert paired.item() < in_place.item()
    torch.testing.assert_close(old.boxes, before.output.boxes)  # what was said does not follow the weights


def test_two_opinions_of_one_box_are_told_apart() -> None:
    box = [0.5, 0.5, 0.2, 0.2]
    old = said([[[4.0, -4.0], [-4.0, -4.0]]], [[box, box]], "sigmoid")
    now = said([[[-4.0, -4.0], [3.5, -4.0]]], [[box, box]], "sigmoid")
    assert in_order_of(now, old, Criterion()).logits[0, :, 0].tolist() == [3.5, -4.0]


@SORTS
def test_what_was_said_of_targets_and_earlier_ones_is_not_taught(model) -> None:
    context, task = context_of(model), little_task(forgotten=(2,))
    teacher = context.teacher(task)
    with torch.no_grad():
        batch, _ = context.batches(task, CHOSEN, [0])
    logits = batch.output.logits.clone()
    logits[..., [0, 2]] = -7.0
    one = DetectionOutput(batch.output.features, logits, batch.output.boxes, batch.output.kind)
    now, old = teacher.pair(replace(batch, output=one))
    torch.testing.assert_close(now.logits, old.logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(now.logits, batch.output.logits[..., [1, 3] if model.kind == "softmax" else [1]])


def test_distances_by_hand() -> None:
    """The second box is moved by half of its width: L1 0.1, a third of the union shared, hull = union."""
    old = said([[[0.0, 2.0], [1.0, 1.0]]], [[[0.2, 0.2, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2]]], "sigmoid")
    now = said([[[0.0, 0.0], [1.0, 4.0]]], [[[0.2, 0.2, 0.2, 0.2], [0.6, 0.5, 0.2, 0.2]]], "sigmoid")
    assert DER().error(None, now, old).item() == pytest.approx((0 + 4 + 0 + 9) / 4)
    expected = (5.0 * 0.1 + 2.0 * (1 - 1 / 3)) / 2
    assert box_distance(now.boxes, old.boxes, Criterion()).item() == pytest.approx(expected, rel=1e-5)


def test_softened_by_hand() -> None:
    new, old = np.array([[0.5, -1.0], [2.0, 3.0]]), np.array([[1.0, 0.0], [-2.0, 4.0]])
    boxes = [[[0.5, 0.5, 0.2, 0.2]] * 2]
    now, before = (said([part.tolist()], boxes, "softmax") for part in (new, old))
    expected = np.mean(-np.sum(softmax(old / 3, axis=1) * np.log(softmax(new / 3, axis=1)), axis=1))
    assert softened(now, before, 3.0).item() == pytest.approx(expected, rel=1e-5)
    now, before = (said([part.tolist()], boxes, "sigmoid") for part in (new, old))
    p, q = 1 / (1 + np.exp(-old / 3)), 1 / (1 + np.exp(-new / 3))
    expected = np.mean(-np.sum(p * np.log(q) + (1 - p) * np.log(1 - q), axis=1))
    assert softened(now, before, 3.0).item() == pytest.approx(expected, rel=1e-5)


def test_objectives(two_stage) -> None:
    """The replay's queries now say 0.5 more of each class and have moved: every method adds up its terms."""
    context, task = context_of(two_stage), little_task()
    with torch.no_grad():
        retain, forget = context.batches(task, CHOSEN, [0, 1])
    said_now = retain.output
    moved = DetectionOutput(
        said_now.features, said_now.logits + 0.5, (said_now.boxes + 0.01).clamp(0.02, 0.98), said_now.kind
    )
    batch = make_batch(task.retain, CHOSEN, moved)
    now, old = context.teacher(task).pair(batch)
    boxes = float(box_distance(now.boxes, old.boxes, two_stage.criterion))
    soft, kept = float(softened(now, old, 3.0)), float(context.retain_loss(batch))
    gone = float(forget_term(context, 0.3, 9.0)(forget))
    assert DER().error(None, now, old).item() == pytest.approx(0.25, rel=1e-2)
    expected = {
        "lwf": kept + gone + 0.7 * (soft + 0.2 * boxes),
        "der": gone + 0.6 * (0.25 + 0.2 * boxes),
        "der++": gone + 0.6 * (0.25 + 0.2 * boxes) + 0.4 * kept,
    }
    settings = {"beta": 0.3, "bound": 9.0, "box_weight": 0.2}
    own = {
        "lwf": {"distillation": 0.7, "temperature": 3.0},
        "der": {"logit_weight": 0.6},
        "der++": {"logit_weight": 0.6, "label_weight": 0.4},
    }
    with tuned(two_stage.module, block_parameters(two_stage, 0)) as weights:
        for name, value in expected.items():
            method = made(name, **settings, **own[name])
            assert method.objective(context, task, weights)(batch, forget).item() == pytest.approx(value, rel=1e-3)
