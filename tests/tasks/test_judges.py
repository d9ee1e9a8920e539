"""H is in percent in both tasks, and orders states as the shares it is made from do."""

from collections.abc import Callable
from itertools import product

import pytest
import torch

from expunge.data import Images
from expunge.tasks.classification._judge import ImageJudge
from expunge.tasks.classification.batches import Batch
from expunge.tasks.detection._judge import SceneJudge
from expunge.tasks.request import ForgetTask
from expunge.tasks.scores import harmonic_mean
from expunge.vision import ActivationCache, Output
from expunge.vision.detection.scene_states import SceneCache
from tests.methods.detection.little import VALIDATION, little_model, little_task


class Blank:
    name = "blank"

    def load(self) -> torch.Tensor:
        return torch.zeros(3, 8, 8)


class Said(ActivationCache):
    """In place of hidden states: what a model says of every image, whatever it is."""

    def __init__(self) -> None:
        self.named = {0: 0, 1: 1}

    def outputs(self, images: Images, progress: Callable[[int], None] = lambda done: None) -> Output:
        logits = torch.eye(2)[[self.named[label] for label in images.labels]]
        return Output(logits, logits)


def test_an_image_judge_gives_percent() -> None:
    """All of the target lost, nothing else: H is 100, not 1."""
    images = Images((Blank(), Blank(), Blank()), (0, 0, 1), ("ant", "bee"))
    task, said = ForgetTask((0,), (), images.only([0]), images.only([1]), images), Said()

    def objective(kept: Batch, gone: Batch) -> torch.Tensor:
        return torch.zeros(())

    judge = ImageJudge(said, task, objective)
    assert judge() == (0.0, 0.0)
    said.named[0] = 1
    assert judge() == (100.0, 0.0)


def test_a_scene_judge_gives_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter([(80.0, 50.0), (0.0, 80.0)])  # AP50 of the targets, and of what stays
    monkeypatch.setattr(SceneJudge, "_precisions", lambda self, output: next(given))
    monkeypatch.setattr(SceneJudge, "_batches", lambda self, output: ())
    monkeypatch.setattr("expunge.tasks.detection._judge.outputs", lambda cache, scenes: None)
    cache = SceneCache(little_model("detr"))
    judge = SceneJudge(cache, little_task(validation=VALIDATION), lambda *batches: torch.zeros(()))
    assert judge() == (80.0, 0.0)


def test_percent_leaves_order_and_ties_of_shares_as_they_are() -> None:
    """Whatever the counts of a small split: no two states change places, and none that differ come to a tie."""
    shares = [
        float(torch.tensor([1.0] * hits + [0.0] * (n - hits)).mean()) for n in (7, 12, 30) for hits in range(n + 1)
    ]
    h = sorted({harmonic_mean(kept, drop) for kept, drop in product(shares, repeat=2)})
    percent = [100 * one for one in h]
    assert percent == sorted(set(percent))
