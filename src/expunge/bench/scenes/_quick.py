"""A tiny version of the suite on scenes: it shows that everything works and measures nothing."""

from collections.abc import Collection
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from expunge.bench.scenes.detectors import SceneSuite
from expunge.vision.detection import DetectionModel, fixed_preprocess
from expunge.zoo.scenes import (
    CLASSES,
    CRITERION,
    GRID,
    MEAN,
    SIDE,
    STD,
    WIDTH,
    DetrShape,
    SceneDetector,
    SceneRecipe,
    cache_features,
    fresh,
    scene_splits,
    train_scenes,
)

if TYPE_CHECKING:
    from transformers import Dinov2Backbone

RECIPE = SceneRecipe(
    shape=DetrShape(channels=(WIDTH,), dim=32, encoder=1, decoder=1, heads=2, expansion=2, queries=6),
    layers=(1,),
    scenes=16,
    epochs=1,
)
SIZES = (20, 4, 12)


def quick_suite(suite: SceneSuite) -> SceneSuite:
    """The same requests, two of them, of an untrained detector on a backbone of random weights."""
    return replace(
        suite,
        requests=suite.requests[:2],
        load=lambda: scene_splits(SIZES),
        base=_detector,
        train=_train,
        features=_features,
        recipe=asdict(RECIPE),
        scenes=RECIPE.scenes,
        pool=SIZES[0],
        test=SIZES[2],
        attack=6,
        checkpoints=(2,),
        budget={"max_steps": 2},
    )


def _detector() -> DetectionModel:
    module = SceneDetector(_backbone(), fresh(RECIPE).detector)
    return DetectionModel(
        module, CLASSES, preprocess=fixed_preprocess(SIDE, SIDE, MEAN, STD), criterion=CRITERION, name="tiny"
    )


def _train(without: Collection[str], seed: int, features: Path) -> nn.Module:
    return train_scenes(replace(RECIPE, seed=seed), cache=features, classes_without=without)


def _features(folder: Path) -> None:
    where = {"seed": RECIPE.scenes_seed, "split": "train", "layers": RECIPE.layers}
    cache_features(folder, **where, n=RECIPE.scenes, model=_backbone())


@cache
def _backbone() -> "Dinov2Backbone":
    """One block of random weights, as wide as the real one."""
    from transformers import Dinov2Backbone, Dinov2Config

    settings: dict[str, Any] = {
        "hidden_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 6,
        "mlp_ratio": 1,
        "image_size": SIDE,
        "patch_size": SIDE // GRID,
        "out_indices": [1],
        "apply_layernorm": False,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Dinov2Backbone(Dinov2Config(**settings)).eval().requires_grad_(False)
