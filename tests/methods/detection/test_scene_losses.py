"""What is pushed, how far, and the methods' objectives, against sums made by hand."""

import math
from dataclasses import replace

import pytest
import torch
from scipy.special import log_softmax

from expunge.adapters import tuned
from expunge.errors import MethodError
from expunge.methods._losses import forget_term
from expunge.methods.fine_tuning import block_parameters
from expunge.methods.gs_lora_pp import divergence
from expunge.tasks.detection._losses import answers_loss, chance_loss, forget_bound
from expunge.tasks.detection.batches import SceneBatch
from expunge.tasks.detection.context import SceneContext
from expunge.vision.detection import Costs, Criterion, Target, targets_of
from tests.methods.detection.little import context_of, little_task, made, prototypes, said

FOCAL = Criterion("focal", Costs("focal", label=2.0), label=2.0)
BOXES = [[[0.2, 0.2, 0.2, 0.2], [0.7, 0.7, 0.2, 0.2]], [[0.5, 0.5, 0.4, 0.4], [0.1, 0.9, 0.1, 0.1]]]
THERE = (
    Target(torch.tensor([0]), torch.tensor([[0.2, 0.2, 0.2, 0.2]])),
    Target(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.4, 0.2]])),
)


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def focal(p: float, true: bool) -> float:
    return 0.25 * (1 - p) ** 2 * -math.log(p) if true else 0.75 * p**2 * -math.log(1 - p)


def sure_of_others(p: float):
    """Queries 0 stand at the objects; queries 1 are sure, with probability `p`, of something without a box."""
    return [[[logit(0.6), logit(0.1)], [logit(p), logit(p)]], [[logit(0.3), logit(0.8)], [logit(p), logit(p)]]]


def test_only_queries_that_answer_count_with_sigmoids() -> None:
    """The second object's box is twice as high as it should be: L1 0.2, half of the union shared, hull = union."""
    labels = focal(0.6, True) + focal(0.1, False) + focal(0.3, False) + focal(0.8, True)
    expected = (2.0 * labels + 5.0 * 0.2 + 2.0 * 0.5) / 2
    for p in (0.01, 0.99):
        out = said(sure_of_others(p), BOXES, "sigmoid")
        assert answers_loss(FOCAL, out, THERE).item() == pytest.approx(expected, rel=1e-4)
    assert FOCAL.loss(said(sure_of_others(0.99), BOXES, "sigmoid"), THERE).total.item() > expected + 5


def test_only_queries_that_answer_count_with_a_softmax() -> None:
    rows = [[[1.0, 0.0, -1.0], [9.0, 0.0, 0.0]], [[0.0, 0.5, 2.0], [0.0, 9.0, 0.0]]]
    labels = -log_softmax(rows[0][0])[0] - log_softmax(rows[1][0])[1]
    found = answers_loss(Criterion(), said(rows, BOXES, "softmax"), THERE).item()
    assert found == pytest.approx((labels + 5.0 * 0.2 + 2.0 * 0.5) / 2, rel=1e-4)


def test_no_gradient_reaches_other_queries() -> None:
    out = said(sure_of_others(0.9), BOXES, "sigmoid")
    out.logits.requires_grad_(True)
    gradient = torch.autograd.grad(answers_loss(FOCAL, out, THERE), out.logits)[0]
    assert gradient[:, 0].abs().min() > 0
    assert torch.equal(gradient[:, 1], torch.zeros(2, 2))


def test_scenes_without_an_object_push_nothing() -> None:
    out = said(sure_of_others(0.9), BOXES, "sigmoid")
    out.logits.requires_grad_(True)
    nothing = tuple(Target(target.labels[:0], target.boxes[:0]) for target in THERE)
    loss = answers_loss(FOCAL, out, nothing)
    assert loss.item() == 0.0
    assert not torch.autograd.grad(loss, out.logits)[0].any()


def test_chance_by_hand(two_stage, plain) -> None:
    """24 classes and "no object" alike; with a softmax the logarithm of their number."""
    expected = 2.0 * (focal(1 / 25, True) + 23 * focal(1 / 25, False))
    assert chance_loss(FOCAL, "sigmoid", 24) == pytest.approx(expected, rel=1e-4)
    assert 2 * expected == pytest.approx(2.97, abs=0.01)
    assert FOCAL.label * focal(0.003, True) == pytest.approx(2.9, abs=0.1)  # what the docstring says of it
    assert chance_loss(Criterion(), "softmax", 3) == pytest.approx(math.log(4), rel=1e-5)
    assert chance_loss(Criterion("varifocal"), "sigmoid", 1) == pytest.approx(math.log(2), rel=1e-5)
    assert forget_bound(plain) == pytest.approx(2 * math.log(4), rel=1e-5)
    assert forget_bound(two_stage) == pytest.approx(2 * (focal(0.25, True) + 2 * focal(0.25, False)), rel=1e-4)


def batches(context: SceneContext, task) -> tuple[SceneBatch, SceneBatch]:
    with torch.no_grad():
        return context.batches(task, [0, 3, 5], [1, 2])


def test_both_batches_are_what_the_detector_says_of_each_alone(two_stage) -> None:
    task = little_task()
    retain, forget = batches(context_of(two_stage), task)
    for batch, scenes, rows in ((retain, task.retain, [0, 3, 5]), (forget, task.forget, [1, 2])):
        chosen = scenes.select(rows)
        assert batch.scenes == chosen.scenes
        for mine, other in zip(batch.targets, targets_of(chosen), strict=True):
            assert torch.equal(mine.labels, other.labels)
            assert torch.equal(mine.boxes, other.boxes)
        with torch.no_grad():
            alone = two_stage(two_stage.prepare([sample.load() for sample in chosen.samples]))
        torch.testing.assert_close(batch.output.logits, alone.logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(batch.output.boxes, alone.boxes, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("room", [-0.5, 2.0])
def test_the_forget_term_is_bounded(two_stage, room) -> None:
    context = context_of(two_stage)
    _, forget = batches(context, little_task())
    now = float(answers_loss(two_stage.criterion, forget.output, forget.targets))
    term = forget_term(context, 0.3, now + room)(forget)
    assert term.item() == pytest.approx(0.3 * max(0.0, room), abs=1e-5)


def test_objective_of_gs_lora_and_plus_plus(two_stage) -> None:
    context, task = context_of(two_stage), little_task()
    retain, forget = batches(context, task)
    gone = float(answers_loss(two_stage.criterion, forget.output, forget.targets))
    expected = float(two_stage.loss(retain.output, retain.targets).total) + 0.3 * (9.0 - gone)
    plain = made("gs-lora", beta=0.3, bound=9.0)
    assert plain.objective(context, task)(retain, forget).item() == pytest.approx(expected, rel=1e-5)
    away, near = (float(divergence(prototypes(context), *context.embedded(batch))) for batch in (forget, retain))
    own = {"prototype_forget": 0.5, "prototype_retain": 0.7, "prototype_bound": away + 2.0}
    plus = made("gs-lora++", beta=0.3, bound=9.0, **own)
    found = plus.objective(context, task)(retain, forget).item()
    assert found == pytest.approx(expected + 0.5 * 2.0 + 0.7 * near, rel=1e-4)
    with pytest.raises(MethodError, match="needs the original model's prototypes"):
        plus.objective(replace(context, prototypes=None), task)


def test_divergence_is_that_of_matched_queries_whose_class_has_a_prototype(two_stage) -> None:
    context = context_of(two_stage)
    near = prototypes(context)  # so near that in float32 the divergence would be rounding
    values = near.values + torch.randn(near.values.shape, generator=torch.Generator().manual_seed(0))
    far = replace(near, values=values)
    retain, _ = batches(context, little_task())
    pairs = zip(two_stage.criterion.match(retain.output, retain.targets), retain.targets, strict=True)
    rows = [
        (retain.output.features[i, query], int(target.labels[one]))
        for i, (found, target) in enumerate(pairs)
        for query, one in zip(found.queries, found.objects, strict=True)
    ]

    def kl(z, p) -> float:
        z, p = log_softmax(z.double().numpy()), log_softmax(p.double().numpy())
        return float((math.e**z * (z - p)).sum())

    each = [(kl(z, far.values[label]), label) for z, label in rows]
    assert {label for _, label in each} == {1, 2}
    every = sum(value for value, _ in each) / len(each)
    said_of = context.embedded(retain)
    assert divergence(far, *said_of).item() == pytest.approx(every, rel=1e-3)
    lacking = replace(far, counts=torch.tensor([1, 0, 1]))
    some = [value for value, label in each if label == 2]
    assert divergence(lacking, *said_of).item() == pytest.approx(sum(some) / len(some), rel=1e-3)
    assert divergence(replace(lacking, counts=torch.zeros(3, dtype=torch.int64)), *said_of).item() == 0.0


def test_objectives_of_retrain_and_neg_grad(two_stage) -> None:
    context, task = context_of(two_stage), little_task()
    retain, forget = batches(context, task)
    kept, gone = context.retain_loss(retain), answers_loss(two_stage.criterion, forget.output, forget.targets)
    with tuned(two_stage.module, block_parameters(two_stage, 0)) as weights:
        retrain, ascent = (
            made(name, beta=0.2).objective(context, task, weights)(retain, forget).item()
            for name in ("retrain", "neg-grad+")
        )
    assert retrain == pytest.approx(kept.item())
    assert ascent == pytest.approx((kept - 0.2 * gone).item(), rel=1e-5)


def test_importances_are_means_over_single_scenes_and_the_penalty_weighs_changes(two_stage) -> None:
    entry = len(two_stage.blocks) - 1
    context, task = context_of(two_stage, entry), little_task()
    names = block_parameters(two_stage, entry)
    with tuned(two_stage.module, names) as weights:
        parameters = list(weights.parameters.values())
        squares, sizes = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        for i, scene in enumerate(task.retain.scenes):
            output = two_stage(two_stage.prepare([scene.sample.load()]))
            loss = two_stage.loss(output, targets_of(task.retain, [i])).total
            for totals, scalar, each in ((squares, loss, torch.square), (sizes, (output.logits**2).sum(), torch.abs)):
                gradients = torch.autograd.grad(scalar, parameters, retain_graph=True, materialize_grads=True)
                for total, gradient in zip(totals, gradients, strict=True):
                    total += each(gradient) / len(task.retain)
        for name, expected in (("ewc", squares), ("mas", sizes), ("l2", [torch.ones_like(p) for p in parameters])):
            method = made(name, strength=0.7, bound=9.0)
            found = method.importance(context, task, weights)
            scale = max(float(part.max()) for part in expected)
            for mine, other in zip(found, expected, strict=True):
                torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4 * scale)
            objective = method.objective(context, task, weights)
            retain, forget = batches(context, task)
            before = objective(retain, forget).item()
            with torch.no_grad():
                parameters[0].add_(0.5)
            mean = sum(float(part.sum()) for part in expected) / sum(part.numel() for part in expected)
            penalty = 0.7 / 2 * float(expected[0].sum()) / mean * 0.25
            assert objective(retain, forget).item() - before == pytest.approx(penalty, rel=1e-2, abs=1e-3)
            with torch.no_grad():
                parameters[0].sub_(0.5)
