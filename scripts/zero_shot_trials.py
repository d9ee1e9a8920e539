"""Asks whether other sentences find what the image model of a CLIP has forgotten.

`PYTHONPATH=. python scripts/zero_shot_trials.py`: the small CLIP of the tests forgets one class. The row of the class
is replaced by one that the text model makes of another sentence; counted are 30 test pictures of the class, in the
original and in the edited model. A line a seed and a class.
"""

import copy
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image

import expunge
from expunge.vision import VisionModel, load_model, load_zero_shot
from expunge.vision.prompts import TEMPLATES
from tests import toy, toy_clip

SEEDS, NAMES = (0, 1, 2), ("amber", "dune")
OTHERS = ("the {}", "a picture of {}", "photo of {}.", "a photo of the {}.")


def found(model: VisionModel, clip: Path, name: str, template: str, pictures: list[Image.Image]) -> int:
    """Pictures in percent that go to `name` by a row made of another sentence."""
    model, label = copy.deepcopy(model), model.classes.index(name)
    row = load_zero_shot(clip, [name], templates=(template,)).module.get_parameter("classifier.weight")[0]
    head = model.module.get_submodule(model.head_name)
    with torch.no_grad():
        head.get_parameter("weight")[label], head.get_buffer("bias")[label] = row, 0.0
        return round(100 * float((model(model.prepare(pictures)).logits.argmax(1) == label).double().mean()))


def trial(seed: int, name: str, data: Path, clip: Path) -> str:
    """One line: retained accuracy, then what each sentence finds, in the original and in the edited model."""
    folder = clip.with_name(f"model-{seed}-{name}")
    load_zero_shot(clip, toy.CLASSES).save(folder)
    original, run = load_model(folder), expunge.forget(folder, data, [[name]], seed=seed)
    pictures = [Image.open(path).copy() for path in sorted((data / "test" / name).iterdir())]
    cells = [
        f"{template!r}: {found(original, clip, name, template, pictures)} → "
        f"{found(run.model, clip, name, template, pictures)}"
        for template in (*TEMPLATES, *OTHERS)
    ]
    return f"seed {seed}, {name}: Acc_r {run.metrics.requests[0].acc_r.after}; " + "; ".join(cells)


def main() -> None:
    """Runs all trials."""
    with tempfile.TemporaryDirectory() as scratch:
        data = toy.write_images(Path(scratch) / "data", test=30, seed=3)
        for seed in SEEDS:
            clip = toy_clip.write_trained(Path(scratch) / f"clip-{seed}", seed=seed)
            for name in NAMES:
                sys.stdout.write(trial(seed, name, data, clip) + "\n")


if __name__ == "__main__":
    main()
