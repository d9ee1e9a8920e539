"""Trains the small detector of scenes: `python -m expunge.zoo.scenes.train [--scenes N] [--epochs N] [--out DIR]`."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save_file

from expunge.durable import whole_file
from expunge.vision.detection import ap50, mean
from expunge.zoo.scenes.cutouts import CLASSES, SPLITS, cutouts, digest
from expunge.zoo.scenes.detr import Detr
from expunge.zoo.scenes.features import SceneFeatures, cache_features
from expunge.zoo.scenes.model import CHECKPOINT, RECIPE, load_detr
from expunge.zoo.scenes.recipe import SceneRecipe, detections, train_scenes

VALIDATION, TEST = 128, 400
"""Numbers of scenes that a training is watched on, and measured on at its end."""


def write_checkpoint(recipe: SceneRecipe, out: Path, cache: Path, *, say: Callable[[str], None]) -> dict[str, object]:
    """Trains, going on where an earlier call was cut off; writes weights and result.

    After each epoch `model.safetensors` holds the state reached, so a run can be ended early.

    Args:
        recipe: The settings.
        out: Folder of `model.safetensors` and `result.json`, and of `progress.safetensors` meanwhile.
        cache: Folder of features.
        say: Told one line an epoch.

    Returns:
        What `result.json` holds.

    Raises:
        DataError: The folder holds the progress of a training with other settings.
        MissingExtraError: The package with the weights, that with the photos, `onnx` or scipy is not installed.
        CorruptWeightsError: Weights, photos, features, or the progress are missing or damaged.
    """
    out.mkdir(parents=True, exist_ok=True)
    weights, progress, log = out / "model.safetensors", out / "progress.safetensors", out / "log.jsonl"
    started = time.perf_counter()
    seen = _features(recipe, cache, "validation", VALIDATION)
    cache_features(cache, seed=recipe.scenes_seed, split="train", n=recipe.scenes, layers=recipe.layers)
    cached, spent = time.perf_counter(), 0.0

    def report(done: int, total: int, loss: float, detector: Detr) -> None:
        nonlocal spent
        spent = time.perf_counter() - cached
        save(detector, weights)
        score = mean(_ap50(detector, seen))
        line = json.dumps({"epoch": done, "of": total, "loss": round(loss, 3), "validation_ap50": round(score, 2)})
        with log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        say(line)

    train_scenes(recipe, cache=cache, progress=progress, report=report)
    outcome = result(recipe, weights, cache) | {"seconds": {"cache": round(cached - started), "train": round(spent)}}
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    outcome["log"] = [json.loads(line) for line in lines]
    (out / "result.json").write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
    progress.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    return outcome


def result(recipe: SceneRecipe, weights: Path, cache: Path) -> dict[str, object]:
    """Results of weights on the test scenes, of whose photos they have seen none."""
    each = _ap50(load_detr(weights, recipe), _features(recipe, cache, "test", TEST))
    counts = {split: Counter(cutout.label for cutout in cutouts(split)) for split in SPLITS}
    return {
        "recipe": asdict(recipe),
        "scenes": {"train": recipe.scenes, "validation": VALIDATION, "test": TEST},
        "test": {
            "ap50": round(mean(each), 2),
            "ap50_by_class": {
                name: None if one is None else round(one, 2) for name, one in zip(CLASSES, each, strict=True)
            },
        },
        "cutouts": {name: {split: counts[split][i] for split in SPLITS} for i, name in enumerate(CLASSES)},
        "pictures": digest(),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "transformers", "scipy", "pillow")},
    }


def save(detector: Detr, path: Path) -> None:
    """Writes the weights in float16, whole or not at all."""
    with whole_file(path) as partial:
        save_file({name: value.half().contiguous() for name, value in detector.state_dict().items()}, partial)


def main() -> None:
    """Trains the detector from the command line."""
    parser = argparse.ArgumentParser(description="Train the small detector of composed scenes.")
    parser.add_argument("--scenes", type=int, default=RECIPE.scenes)
    parser.add_argument("--epochs", type=int, default=RECIPE.epochs)
    parser.add_argument("--out", type=Path, default=CHECKPOINT.parent)
    parser.add_argument("--cache", type=Path, default=Path(".cache/scenes"), help="folder of features")
    asked = parser.parse_args()
    recipe = replace(RECIPE, scenes=asked.scenes, epochs=asked.epochs)
    outcome = write_checkpoint(recipe, asked.out, asked.cache, say=_say)
    _say(json.dumps(outcome["test"], indent=2))


def _features(recipe: SceneRecipe, cache: Path, split: str, n: int) -> SceneFeatures:
    return cache_features(cache, seed=recipe.scenes_seed, split=split, n=n, layers=recipe.layers)


def _ap50(detector: Detr, features: SceneFeatures) -> list[float | None]:
    return ap50(detections(detector, features), features.targets(), len(CLASSES))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
