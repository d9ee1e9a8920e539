"""LIRF and the papers' 'Retrain'."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from scipy.special import log_softmax, softmax
from scipy.stats import entropy
from torch import nn

from expunge.adapters import EditStack, Tuned
from expunge.data import Images
from expunge.errors import MethodError
from expunge.methods import make_method
from expunge.methods.fine_tuning import block_parameters
from expunge.methods.lirf import LIRF, OldAttention, attention_of, watched
from expunge.methods.random_labels import Relabelling
from expunge.methods.retrain import Retrain, redraw
from expunge.tasks.classification.batches import Batch
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask
from expunge.vision import (
    ActivationCache,
    CosFaceHead,
    CosineClassifier,
    HeadedBackbone,
    Output,
    VisionModel,
    standard_preprocess,
)

RNG = np.random.default_rng(0)
STAYING = [2, 3, 5]  # amber and blue go now, elm went before


def batch(images, logits) -> Batch:
    n = len(logits)
    labels = torch.tensor(images.labels[:n])
    return Batch(images.samples[:n], labels, Output(torch.zeros(n, 48), torch.as_tensor(logits, dtype=torch.float32)))


def cross_entropy(logits, labels) -> float:
    return float(-np.mean([log_softmax(row)[label] for row, label in zip(logits, labels, strict=True)]))


def unit_squares(hidden: np.ndarray) -> np.ndarray:
    rows = (hidden**2).mean(axis=1).reshape(len(hidden), -1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def accuracy(model, edit, images) -> float:
    stack = EditStack(model)
    stack.push(edit)
    try:
        found = model(model.prepare(images.load())).logits.argmax(1)
        return (found == torch.tensor(images.labels)).float().mean().item()
    finally:
        stack.undo()


class TestAttention:
    def test_by_hand(self) -> None:
        """Two tokens of two channels: mean squares 5 and 12, scaled to 5/13 and 12/13."""
        hidden = torch.tensor([[[1.0, -2.0], [3.0, np.sqrt(20.0)]]])
        assert attention_of(hidden)[0].tolist() == pytest.approx([5 / 13, 12 / 13])

    def test_a_feature_map_keeps_its_positions(self) -> None:
        hidden = RNG.normal(size=(2, 3, 4, 5))
        np.testing.assert_allclose(attention_of(torch.tensor(hidden)), unit_squares(hidden), rtol=1e-5)

    def test_is_seen_only_while_watched(self) -> None:
        layer = nn.Linear(2, 2)
        with watched(layer) as seen:
            layer(torch.ones(1, 3, 2))
            layer(torch.ones(2, 3, 2))
        layer(torch.ones(4, 3, 2))
        assert [len(rows) for rows in seen] == [1, 2]


class TestLIRF:
    @pytest.mark.parametrize(("last_blocks", "trained"), [(0, [0, 1]), (2, [1]), (1, [2]), (3, [0, 1])])
    def test_trains_the_lower_half_of_what_it_may(self, toy_model, last_blocks, trained) -> None:
        blocks = LIRF(last_blocks=last_blocks).trained(toy_model)
        assert [block.name for block in blocks] == [toy_model.blocks[i].name for i in trained]

    def test_the_upper_half_keeps_every_bit(self, context, task) -> None:
        made = context()
        edit = LIRF(epochs=2).forget(made, task)
        insides = tuple(f"{block.name}." for block in made.model.blocks[:2])
        assert edit.dense
        assert all(name.startswith(insides) for name in edit.dense)

    def test_objective(self, context, task) -> None:
        made = context()
        model = made.model
        kept, gone, now = RNG.normal(size=(4, 6)), RNG.normal(size=(3, 6)), np.abs(RNG.normal(size=(3, 48)))
        now /= np.linalg.norm(now, axis=1, keepdims=True)
        with torch.no_grad():
            pixels = model.prepare(task.forget.load(range(3)))
            teacher = model(pixels).logits.double().numpy()
            before = unit_squares(model.enter(pixels, 2).double().numpy())  # what leaves block 1
        relabelled = Relabelling(task, 6, seed=0).labels(batch(task.forget, gone)).tolist()
        divergences = [
            entropy(softmax(t[STAYING] / 5), softmax(s[STAYING] / 5)) for t, s in zip(teacher, gone, strict=True)
        ]
        expected = (
            0.8 * cross_entropy(gone, relabelled)
            - 0.7 * np.mean(((now - before) ** 2).sum(axis=1))
            + 0.6 * 25 * np.mean(divergences)
            + 0.5 * cross_entropy(kept, task.retain.labels[:4])
        )
        method = LIRF(relabel=0.8, attention=0.7, preserve=0.6, replay=0.5, temperature=5.0)
        with watched(model.module.get_submodule(model.blocks[1].name)) as seen:
            loss = method.objective(made, task, seen)
            seen += [torch.full((9, 48), 7.0), torch.tensor(now, dtype=torch.float32)]  # retain images come before
            found = loss(batch(task.retain, kept), batch(task.forget, gone))
            assert not seen
        assert found.item() == pytest.approx(expected, rel=1e-4)

    def test_at_the_start_the_attention_is_the_old_one(self, context, task) -> None:
        """The loss of the untouched model, through the training's own batches: neither weight makes a difference."""
        first = []
        for weight in (0.0, 10.0):
            notes = []
            LIRF(epochs=1, attention=weight, preserve=weight).forget(context(report=notes.append), task)
            first.append(notes[0].note)
        assert first[0] == first[1]

    def test_at_the_start_of_training_in_half_precision_too(self, context, task, monkeypatch) -> None:
        """As on a CUDA device: nothing is far from itself because the other was computed more exactly."""
        half = lambda device: torch.autocast("cpu", dtype=torch.bfloat16)  # noqa: E731
        monkeypatch.setattr("expunge.tasks.classification.batches.autocast", half)
        made = context()
        block = made.model.module.get_submodule(LIRF().trained(made.model)[-1].name)
        with watched(block) as seen, torch.no_grad():
            before = OldAttention(made, task, seen)
            _, forget = made.batches(task, range(4), range(6))
            torch.testing.assert_close(seen[-1][4:], before.of(forget), rtol=0, atol=1e-6)

    def test_the_attention_term_drives_attention_away(self, context, task, splits) -> None:
        made, blind = context(), replace(task, validation=splits.validation.select([]))

        def attention() -> torch.Tensor:
            with torch.no_grad():
                return attention_of(made.model.enter(made.model.prepare(task.forget.load()), 2))

        before, stack, moved = attention(), EditStack(made.model), []
        for weight in (0.0, 50.0):
            stack.push(LIRF(epochs=6, attention=weight).forget(made, blind))
            moved.append((attention() - before).square().sum(dim=1).mean().item())
            stack.undo()
        assert moved[1] > 1.5 * moved[0]

    def test_bad_temperature(self) -> None:
        with pytest.raises(MethodError, match="temperature must be greater than 0"):
            LIRF(temperature=0.0)

    @pytest.mark.parametrize("name", ["relabel", "attention", "preserve", "replay"])
    def test_negative_weights_are_refused(self, name) -> None:
        with pytest.raises(MethodError, match=f"{name} must be 0 or more, got -0.1"):
            make_method("lirf", settings={name: -0.1})


class TestRetrain:
    def test_redraws_with_the_same_mean_and_deviation(self) -> None:
        weights = [torch.randn(300, 40) * 3 + 5, torch.full((7,), 2.0), torch.tensor(4.0)]
        old = weights[0].clone()
        redraw(weights, torch.Generator().manual_seed(1))
        assert weights[0].mean().item() == pytest.approx(5, abs=0.1)
        assert weights[0].std().item() == pytest.approx(3, abs=0.1)
        assert abs(np.corrcoef(weights[0].flatten(), old.flatten())[0, 1]) < 0.05
        assert weights[1].tolist() == [2.0] * 7
        assert weights[2].item() == 4.0

    def test_learns_from_the_replay_alone(self, context, task) -> None:
        kept, gone = RNG.normal(size=(4, 6)), RNG.normal(size=(3, 6))
        loss = Retrain(beta=9.0).objective(context(), task, Tuned({}, {}))
        found = loss(batch(task.retain, kept), batch(task.forget, gone)).item()
        assert found == pytest.approx(cross_entropy(kept, task.retain.labels[:4]), rel=1e-5)

    def test_starts_all_blocks_anew_and_nothing_else(self, context, task) -> None:
        made = context()
        edit = Retrain(epochs=1).forget(made, task)
        names = block_parameters(made.model, 0)
        assert set(edit.dense) == set(names)
        for name in names:
            old = made.model.module.get_parameter(name)
            new = (old + edit.dense[name]).flatten()
            if old.ndim > 1:
                assert abs(np.corrcoef(old.flatten(), new)[0, 1]) < 0.1

    def test_forgets_what_it_was_not_shown_again(self, context, task, splits) -> None:
        """Over all blocks; what a kept lower block knows comes through."""
        made = context()
        edit = Retrain(epochs=15, validate_every=5).forget(made, task)
        assert accuracy(made.model, edit, splits.test.only(task.targets)) < 0.1
        assert accuracy(made.model, edit, splits.test.without((*task.targets, *task.forgotten))) > 0.9


TINY: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "patch_size": 8,
}
NAMES: dict[int, str] = dict(enumerate(("ant", "bee", "cat", "dog", "eel")))


def dinov2_with_cosface() -> VisionModel:
    torch.manual_seed(0)
    backbone = transformers.Dinov2Model(transformers.Dinov2Config(**TINY, image_size=32))
    module = HeadedBackbone(backbone, "cls", CosineClassifier(16, 5, 64.0))
    return wrap(module, head=CosFaceHead(scale=64.0, margin=0.35))


def swin() -> VisionModel:
    sizes: dict[str, Any] = {"patch_size": 2, "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 2], "window_size": 4}
    return wrap(
        transformers.SwinForImageClassification(transformers.SwinConfig(image_size=32, **sizes, id2label=NAMES))
    )


def convnext() -> VisionModel:
    config = transformers.ConvNextConfig(num_stages=2, hidden_sizes=[8, 16], depths=[1, 2], id2label=NAMES)
    return wrap(transformers.ConvNextForImageClassification(config))


def wrap(module: nn.Module, **settings) -> VisionModel:
    preprocess = standard_preprocess(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return VisionModel(module, tuple(NAMES.values()), preprocess=preprocess, **settings)


class Noise:
    """A sample that is noise."""

    def __init__(self, number: int) -> None:
        self.name = str(number)
        self.number = number

    def load(self) -> torch.Tensor:
        return torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(self.number))


def noise(first: int, labels: tuple[int, ...]) -> Images:
    return Images(tuple(Noise(first + i) for i in range(len(labels))), labels, tuple(NAMES.values()))


@pytest.mark.parametrize("build", [dinov2_with_cosface, swin, convnext])
@pytest.mark.parametrize("method", [LIRF, Retrain])
def test_any_architecture_and_head(build, method) -> None:
    model = build()
    before = model.digest()
    task = ForgetTask((0,), (), noise(0, (0, 0, 0)), noise(10, (1, 2, 3, 4)), noise(20, (0, 1, 2)))
    edit = method(epochs=2).forget(Context(model, ActivationCache(model)), task)
    assert edit.dense
    assert all(change.isfinite().all() for change in edit.dense.values())
    assert model.digest() == before
