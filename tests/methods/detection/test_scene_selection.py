"""The choice of the state, the sparsity of groups, and the loop around them."""

import pytest
import torch

from expunge.adapters import tuned
from expunge.errors import MethodError
from expunge.methods.fine_tuning import block_parameters
from expunge.methods.training import BestState, Training
from expunge.tasks.request import Progress
from expunge.vision.detection import DetectionOutput
from tests.methods.detection.little import CLASSES, NOTHING, VALIDATION, context_of, little_task, made


def answers(validation, state: float) -> DetectionOutput:
    """Sigmoids at the true boxes; how sure they are does not matter, so scores are tiny."""
    queries = 2
    logits = torch.full((len(validation), queries, len(CLASSES)), -20.0)
    boxes = torch.full((len(validation), queries, 4), 0.9)
    for i, one in enumerate(validation.scenes):
        for k, box in enumerate(one.boxes):
            left, top, right, bottom = (x / one.width for x in box.corners)
            boxes[i, k] = torch.tensor([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
            if state == 1 or (state >= 0 and box.label != 0):
                logits[i, k, box.label] = -9.0
            elif state == 0:
                boxes[i, k] = torch.tensor([0.95, 0.95, 0.05, 0.05])
    if state == -1:
        boxes[:] = torch.tensor([0.95, 0.95, 0.05, 0.05])
    return DetectionOutput(torch.zeros(len(validation), queries, 1), logits, boxes, "sigmoid")


@pytest.fixture
def scripted(monkeypatch, two_stage):
    def make(losses, start=1.0):
        """Its detector finds what a parameter says: 1 all objects, 0 none of the targets', -1 nothing at all."""
        parameter = torch.tensor(start)
        monkeypatch.setattr(
            "expunge.tasks.detection._judge.outputs", lambda cache, scenes: answers(scenes, round(float(parameter)))
        )
        judge = context_of(two_stage).judge(little_task(), lambda *_: torch.tensor(losses[float(parameter)]))
        return BestState([parameter], judge), judge, parameter

    return make


def consider(best: BestState, parameter: torch.Tensor, *states: float) -> None:
    for state in states:
        parameter.fill_(state)
        best.consider()
    best.restore()


def test_h_is_the_harmonic_mean_of_what_stays_and_what_went(scripted) -> None:
    _, judge, parameter = scripted({1.0: 3.0, 0.0: 2.0, -1.0: 1.0})
    found = {}
    for state in (1.0, 0.0, -1.0):
        parameter.fill_(state)
        found[state] = judge()
    assert found[1.0] == (0.0, -3.0)
    assert found[0.0] == (pytest.approx(100.0), -2.0)
    assert found[-1.0] == (0.0, -1.0)


def test_the_best_state_is_kept_and_not_the_last(scripted) -> None:
    best, _, parameter = scripted({1.0: 3.0, 0.0: 2.0, -1.0: 1.0})
    consider(best, parameter, 1.0, 0.0, -1.0)
    assert parameter.item() == 0.0


def test_a_tie_goes_to_the_lower_objective(scripted) -> None:
    low, middle, high = 0.0, torch.tensor(0.2).item(), torch.tensor(-0.2).item()
    best, _, parameter = scripted({low: 2.0, middle: 1.0, high: 3.0})
    consider(best, parameter, low, middle, high)
    assert parameter.item() == middle


def test_without_validation_scenes_the_last_state_stays(two_stage) -> None:
    parameter = torch.zeros(1)
    judge = context_of(two_stage).judge(little_task(validation=NOTHING), lambda *_: torch.zeros(()))
    best = BestState([parameter], judge)
    consider(best, parameter, 2.0, 3.0)
    assert parameter.item() == 3.0


def test_where_no_target_is_among_the_validation_scenes_what_stays_decides(two_stage) -> None:
    task = little_task(validation=VALIDATION.select([1]))
    score, rest = context_of(two_stage).judge(task, lambda *_: torch.zeros(()))()
    assert 0.0 <= score <= 100.0
    assert rest == 0.0


def test_a_strong_proximal_step_prunes_everything(two_stage) -> None:
    edit = made("gs-lora", epochs=1, max_steps=2, batch_size=2, alpha=10.0, warmup=0.0).forget(
        context_of(two_stage), little_task(validation=NOTHING)
    )
    assert not edit.deltas


def test_between_nothing_and_everything_blocks_go_as_one(two_stage) -> None:
    """Exact zeros, and some groups left: the selection that a subgradient never makes."""
    task, context = little_task(validation=NOTHING), context_of(two_stage)
    kept = {}
    for sparsity in ("proximal", "subgradient"):
        method = made("gs-lora", max_steps=8, batch_size=2, alpha=0.6, warmup=0.0, lr=5e-2, sparsity=sparsity)
        deltas = method.forget(context, task).deltas
        kept[sparsity] = [sum(name in deltas for name in block.linears) for block in two_stage.blocks]
    assert set(kept["proximal"]) == {0, 2}
    assert set(kept["subgradient"]) == {2}


def test_the_average_is_what_is_kept(two_stage) -> None:
    """Averaging from the start with a decay of 1 stays at the first epoch's weights."""
    task, context = little_task(validation=NOTHING), context_of(two_stage)
    one, more = (
        made(
            "gs-lora++", epochs=epochs, max_steps=0, batch_size=7, ema_start=0.0, ema_decay=1.0, alpha=0.0, min_lr=1e-2
        )
        for epochs in (1, 3)
    )
    first, last = (method.forget(context, task) for method in (one, more))
    for a, b in zip(first.tensors, last.tensors, strict=True):
        torch.testing.assert_close(a, b)


def test_the_budget_is_kept_and_hooks_come_in_order(two_stage) -> None:
    context, task, calls = context_of(two_stage, 3), little_task(validation=NOTHING), []
    seen: list[Progress] = []
    context = type(context)(context.model, context.activations, report=seen.append)
    with tuned(two_stage.module, block_parameters(two_stage, 3)[:1]) as weights:
        Training(max_steps=3, batch_size=2, lr=1e-2).fit(
            context,
            task,
            list(weights.parameters.values()),
            lambda retain, forget: retain.output.logits.square().mean(),
            penalty=lambda done: calls.append(("penalty", round(3 * done))),
            before_step=lambda: calls.append(("before", 0)),
            after_step=lambda done, lr: calls.append(("after", lr)),
        )
    assert [name for name, _ in calls] == ["penalty", "before", "after"] * 3
    assert [value for name, value in calls if name == "penalty"] == [1, 2, 3]
    rates = [value for name, value in calls if name == "after"]
    assert rates[0] == pytest.approx(1e-2)
    assert rates == sorted(rates, reverse=True)
    assert [(p.done, p.total) for p in seen] == [(1, 3), (2, 3), (3, 3)]


def test_nothing_to_keep_is_an_error_and_no_endless_loop(two_stage) -> None:
    task = little_task(validation=NOTHING)
    empty = type(task)(task.targets, (), task.forget, NOTHING, NOTHING)
    with pytest.raises(MethodError, match="no image of what stays"):
        made("gs-lora", max_steps=1).forget(context_of(two_stage), empty)
