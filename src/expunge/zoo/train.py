"""Trains a small model of the zoo: `python -m expunge.zoo.train fashion` (or `glyphs`)."""

import argparse
import json
import sys
import time
from dataclasses import asdict

import torch
from safetensors.torch import save_model

from expunge.intervals import wilson
from expunge.tasks.classification import accuracy
from expunge.vision import ActivationCache
from expunge.zoo.recipe import train, wrap
from expunge.zoo.small import SMALL, Small


def write_checkpoint(small: Small, *, seed: int = 0) -> dict[str, object]:
    """Trains on the training images; writes the weights and the result on the test images."""
    splits = small.data()
    images, test = splits.train, splits.test
    started = time.perf_counter()
    module = train(small.recipe, images, seed=seed)
    seconds = time.perf_counter() - started
    outputs = ActivationCache(wrap(module, images.classes, small.name), batch_size=500).outputs(test)
    rate = accuracy(outputs.logits, torch.tensor(test.labels))
    interval = wilson(rate.hits, rate.n)
    small.folder.mkdir(exist_ok=True)
    save_model(module, str(small.folder / "model.safetensors"))
    outcome: dict[str, object] = {
        "recipe": {**asdict(small.recipe), "seed": seed},
        "train_images": len(images),
        "test": {"acc": rate.percent, "n": rate.n, "ci95": [round(interval.low, 2), round(interval.high, 2)]},
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    (small.folder / "result.json").write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
    return outcome


def main() -> None:
    """Trains one of the small models from the command line."""
    parser = argparse.ArgumentParser(description="Train a small model of the zoo.")
    parser.add_argument("name", choices=sorted(SMALL))
    outcome = write_checkpoint(SMALL[parser.parse_args().name])
    sys.stdout.write(json.dumps(outcome, indent=2) + "\n")


if __name__ == "__main__":
    main()
