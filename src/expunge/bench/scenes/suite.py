"""Scenes: the zoo's detector of 24 people forgets ten of them, two at a time."""

from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path

from torch import nn

from expunge.bench.benchmark import Setting
from expunge.bench.scenes._quick import quick_suite
from expunge.bench.scenes.detectors import SceneSuite
from expunge.zoo.scenes import (
    CLASSES,
    PHOTOS,
    RECIPE,
    cache_features,
    digest,
    scene_splits,
    scenes_detector,
    train_scenes,
)

POOL, VALIDATION, TEST = 400, 100, 400
"""Scenes; the detector was trained with more."""

REQUESTS = tuple(CLASSES[start : start + 2] for start in range(0, 10, 2))
"""In the order of ORL, which nobody chose for looks."""

SETTINGS = (
    Setting("replay-10", "all scenes with whom is to be forgotten, a tenth of those with who stays", replay=0.1),
    Setting("8-shot", "eight scenes of every person", shots=8),
    Setting(
        "missing-class", "as replay-10, but an eighth of the people who stay is in no scene", replay=0.1, missing=1 / 8
    ),
)


def suite(quick: bool) -> SceneSuite:
    """The suite, or a tiny version with an untrained detector."""
    made = SceneSuite(
        name="scenes",
        summary="A small DETR on a frozen DINOv2 ViT-S/14 finds 24 people in composed scenes; 5 requests of 2 people",
        requests=REQUESTS,
        settings=SETTINGS,
        load=lambda: scene_splits((POOL, VALIDATION, TEST)),
        base=scenes_detector,
        part="detector",
        train=_train,
        features=_features,
        pictures=digest,
        recipe={
            **{name: value for name, value in asdict(RECIPE).items() if name != "seed"},
            "photos": {split: list(photos) for split, photos in PHOTOS.items()},
        },
        scenes=RECIPE.scenes,
        pool=POOL,
        test=TEST,
        attack=40,
        checkpoints=(1, 5),
        budget={"max_steps": 40},
    )
    return quick_suite(made) if quick else made


def _train(without: Collection[str], seed: int, features: Path) -> nn.Module:
    return train_scenes(replace(RECIPE, seed=seed), cache=features, classes_without=without)


def _features(folder: Path) -> None:
    cache_features(folder, seed=RECIPE.scenes_seed, split="train", n=RECIPE.scenes, layers=RECIPE.layers)
