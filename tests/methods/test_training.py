"""The loop and the teacher that all trained methods share."""

import pytest
import torch

from expunge.adapters import tuned
from expunge.errors import MethodError
from expunge.methods.fine_tuning import block_parameters
from expunge.methods.training import Training, shuffled_batches
from expunge.tasks.classification.batches import make_batch
from expunge.vision import ActivationCache


def test_the_budget_is_kept_and_hooks_come_in_order(context, task) -> None:
    made, calls = context(), []
    name = block_parameters(made.model, 2)[0]
    with tuned(made.model.module, [name]) as weights:
        Training(epochs=50, max_steps=7, batch_size=8).fit(
            made,
            task,
            list(weights.parameters.values()),
            lambda retain, forget: retain.output.logits.square().mean(),
            penalty=lambda done: calls.append(("penalty", round(7 * done))),
            before_step=lambda: calls.append("before"),
            after_step=lambda done, lr: calls.append(("after", lr)),
        )
    assert len(calls) == 3 * 7
    assert [call[1] for call in calls[::3]] == list(range(1, 8))
    rates = [call[1] for call in calls[2::3]]
    assert rates[0] == pytest.approx(1e-2)
    assert rates == sorted(rates, reverse=True)


def test_a_rate_below_the_lowest_one_does_not_rise(context, task) -> None:
    made, rates = context(), []
    with tuned(made.model.module, block_parameters(made.model, 2)[:1]) as weights:
        Training(max_steps=4, batch_size=8, lr=1e-6, min_lr=1e-5).fit(
            made,
            task,
            list(weights.parameters.values()),
            lambda retain, forget: retain.output.logits.square().mean(),
            after_step=lambda done, lr: rates.append(lr),
        )
    assert rates == [1e-6] * 4


@pytest.mark.parametrize("bad", [{"epochs": 0}, {"batch_size": 0}, {"lr": 0.0}, {"last_blocks": -1}])
def test_settings_that_cannot_work_are_refused(bad) -> None:
    with pytest.raises(MethodError, match=next(iter(bad))):
        Training(**bad)


def test_no_images_to_train_on_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(MethodError, match="no image to train on"):
        next(shuffled_batches(0, 4, torch.Generator()))


def test_both_batches_are_what_the_model_says_of_each_alone(context, task) -> None:
    made = context()
    with torch.no_grad():
        retain, forget = made.batches(task, [3, 1], [0, 2, 5])
    for batch, images, rows in ((retain, task.retain, [3, 1]), (forget, task.forget, [0, 2, 5])):
        assert batch.samples == tuple(images.samples[i] for i in rows)
        assert batch.labels.tolist() == [images.labels[i] for i in rows]
        alone = made.model(made.model.prepare(images.load(rows))).logits
        torch.testing.assert_close(batch.output.logits, alone.detach())


def test_the_teacher_keeps_what_the_model_said_before_it_was_changed(context, task) -> None:
    made = context()
    teacher = made.teacher(task)
    names = block_parameters(made.model, 2)
    with tuned(made.model.module, names) as weights, torch.no_grad():
        before = made.batches(task, [0, 4], [1])[0]
        for parameter in weights.parameters.values():
            parameter.mul_(0.5)
        after = made.batches(task, [0, 4], [1])[0]
    kept = teacher.output(after)
    torch.testing.assert_close(kept.logits, before.output.logits)
    assert not torch.allclose(kept.logits, after.output.logits, atol=1e-3)


@pytest.fixture
def half_precision(monkeypatch) -> None:
    """Training steps in bfloat16, as on a CUDA device."""
    monkeypatch.setattr(
        "expunge.tasks.classification.batches.autocast", lambda device: torch.autocast("cpu", dtype=torch.bfloat16)
    )


@pytest.mark.usefixtures("half_precision")
def test_the_teacher_is_as_precise_as_whom_it_is_compared_with(context, task) -> None:
    made = context(1)
    teacher = made.teacher(task)
    with torch.no_grad():
        for batch in made.batches(task, range(8), range(8)):
            assert torch.equal(teacher.output(batch).logits, batch.output.logits)
    exact = made.activations.outputs(task.retain).logits
    assert not torch.equal(exact[:8], teacher.output(made.batches(task, range(8), [0])[0]).logits)
    judged = make_batch(task.validation, range(len(task.validation)), made.activations.outputs(task.validation))
    assert torch.equal(teacher.output(judged).logits, judged.output.logits)


@pytest.mark.usefixtures("half_precision")
def test_what_is_cached_for_a_teacher_is_what_is_cached_for_everybody(context, task) -> None:
    made, other = context(2), ActivationCache(context().model, 2)
    made.teacher(task)
    assert torch.equal(made.activations.hidden(task.retain, range(9)), other.hidden(task.retain, range(9)))


def test_block_parameters_are_all_and_only_those_of_the_blocks(context) -> None:
    model = context().model
    names = block_parameters(model, 1)
    inside = tuple(f"{block.name}." for block in model.blocks[1:])
    assert set(names) == {n for n, _ in model.module.named_parameters() if n.startswith(inside)}
    assert len(block_parameters(model, 0)) > len(names) > len(block_parameters(model, 2)) > 0
