"""Training of the small detector of scenes from cached features: the shipped one, and oracles alike."""

import math
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import DataError
from expunge.vision.detection import DetectionOutput, Detections, Target, detect
from expunge.zoo.scenes._progress import Progress, read_progress, write_progress
from expunge.zoo.scenes.cutouts import CLASSES
from expunge.zoo.scenes.detr import Detr, DetrShape, Maps
from expunge.zoo.scenes.features import LAYERS, WIDTH, SceneFeatures, cache_features
from expunge.zoo.scenes.objective import TrainingModel, objective

Report = Callable[[int, int, float, Detr], None]
"""Told after each epoch: epochs done and to do, mean loss, and the detector, which it may run but not change."""


@dataclass(frozen=True, slots=True)
class SceneRecipe:
    """Settings of a training with AdamW and a one-cycle schedule.

    Attributes:
        shape: Size of the detector.
        layers: The blocks of the backbone whose tokens it is given.
        scenes: How many scenes of the training split, from the first on.
        scenes_seed: Seed of the scenes.
        seed: Seeds the start, the order, and what is drawn at random.
        epochs: Passes over the scenes.
        batch_size: Scenes a step.
        lr: Highest learning rate.
        weight_decay: AdamW's, decoupled.
        warmup: Fraction of the steps in which the rate rises.
        clip: Gradients are scaled down to this norm.
        extra: Queries that are given an object without matching; see `objective`.
        mirror: Whether feature maps and boxes are mirrored with probability one half, which comes near to features of
            mirrored scenes.
    """

    shape: DetrShape = field(default_factory=DetrShape)
    layers: tuple[int, ...] = LAYERS
    scenes: int = 1024
    scenes_seed: int = 0
    seed: int = 0
    epochs: int = 6
    batch_size: int = 8
    lr: float = 8e-4
    weight_decay: float = 0.05
    warmup: float = 0.1
    clip: float = 1.0
    extra: int = 20
    mirror: bool = True


def train_scenes(
    recipe: SceneRecipe,
    *,
    cache: Path,
    classes_without: Collection[str] = (),
    people: tuple[str, ...] = CLASSES,
    progress: Path | None = None,
    report: Report = lambda done, total, loss, detector: None,
) -> Detr:
    """Trains a detector on composed scenes.

    Args:
        recipe: The settings.
        cache: Folder of features, computed where they are not there yet.
        classes_without: Classes whose boxes are not shown, so that their objects are background: an oracle.
        people: Who may occur in the scenes. Whoever is no class of the detector is background.
        progress: A file that is written after each epoch; where it exists, training goes on from there.
        report: Told the state after each epoch.

    Returns:
        The detector, in eval mode and frozen.

    Raises:
        DataError: There is no such class or person, or fewer scenes than one step takes, or the progress is of another
            training.
        MissingExtraError: The package with the weights, that with the photos, `onnx` or scipy is not installed.
        CorruptWeightsError: Weights, photos, features, or the progress are missing or damaged.
    """
    _refuse_unknown(classes_without)
    if recipe.scenes < recipe.batch_size:
        raise DataError(f"expected at least {recipe.batch_size} scenes, one step's; got {recipe.scenes}")
    features = cache_features(
        cache, seed=recipe.scenes_seed, split="train", n=recipe.scenes, layers=recipe.layers, people=people
    )
    targets = _targets(features, set(CLASSES) - set(classes_without))
    pupil = fresh(recipe).train()
    optimizer = torch.optim.AdamW(pupil.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    stamp = {**asdict(recipe), "without": sorted(classes_without), "people": people}
    first = read_progress(progress, stamp, pupil, optimizer) if progress is not None and progress.exists() else 0
    for epoch in range(first, recipe.epochs):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed * 1_000_003 + epoch)
            loss = _epoch(recipe, epoch, pupil.train(), optimizer, features, targets)
        if progress is not None:
            write_progress(progress, stamp, Progress(epoch + 1, pupil, optimizer))
        report(epoch + 1, recipe.epochs, loss, pupil.detector.eval())
    return pupil.detector.eval().requires_grad_(False)


def fresh(recipe: SceneRecipe) -> TrainingModel:
    """The untrained start, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return TrainingModel(Detr(len(CLASSES), recipe.shape), len(CLASSES))


def maps_of(features: Float[Tensor, "n h w width"]) -> Maps:
    """Maps that a backbone would give: one a layer, in float32."""
    return features.float().permute(0, 3, 1, 2).split(WIDTH, dim=1)


@torch.no_grad()
def run(detector: Detr, maps: Maps) -> DetectionOutput:
    """The detector's answer to feature maps."""
    grid = (maps[0].shape[2], maps[0].shape[3])
    proposals = detector.propose(detector.encode(maps), grid)
    last = detector.decode(proposals, detector.best(proposals), grid)[-1]
    return DetectionOutput(last.features, last.logits, last.boxes, "sigmoid")


def detections(detector: Detr, features: SceneFeatures, batch: int = 32) -> list[Detections]:
    """Detections in each scene, in shares of the picture.

    Raises:
        CorruptWeightsError: A file of features is missing or damaged.
    """
    found: list[Detections] = []
    for start in range(0, len(features), batch):
        indices = range(start, min(start + batch, len(features)))
        found.extend(detect(run(detector, maps_of(features.batch(indices))), [(1, 1)] * len(indices)))
    return found


def _epoch(
    recipe: SceneRecipe,
    epoch: int,
    pupil: TrainingModel,
    optimizer: torch.optim.Optimizer,
    features: SceneFeatures,
    targets: tuple[Target, ...],
) -> float:
    """One pass; the mean loss of a step."""
    steps, total = recipe.scenes // recipe.batch_size, 0.0
    order = torch.randperm(recipe.scenes)[: steps * recipe.batch_size].view(steps, -1).tolist()
    for step, batch in enumerate(order):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * _rate(recipe, (epoch * steps + step) / (recipe.epochs * steps))
        maps, there = maps_of(features.batch(batch)), [targets[index] for index in batch]
        if recipe.mirror and torch.rand(()) < 0.5:
            maps, there = [one.flip(-1) for one in maps], [_mirrored(target) for target in there]
        loss = objective(pupil, maps, there, recipe.extra)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(pupil.parameters(), recipe.clip)
        optimizer.step()
        total += loss.item()
    return total / steps


def _rate(recipe: SceneRecipe, done: float) -> float:
    """Share of the highest rate: rises in a straight line, then falls along half a cosine."""
    if done < recipe.warmup:
        return max(done, 1e-3) / recipe.warmup
    return 0.5 * (1 + math.cos(math.pi * (done - recipe.warmup) / (1 - recipe.warmup)))


def _refuse_unknown(classes: Collection[str]) -> None:
    unknown = sorted(set(classes) - set(CLASSES))
    if unknown:
        raise DataError(f"no class {unknown[0]!r} in scenes; there is: {', '.join(CLASSES)}")


def _targets(features: SceneFeatures, shown: Collection[str]) -> tuple[Target, ...]:
    """What is in each scene of those who are shown, as numbered in `CLASSES`; all others are background."""
    labels = torch.tensor([CLASSES.index(name) if name in shown else -1 for name in features.people])
    found = []
    for target in features.targets():
        there = labels[target.labels]
        found.append(Target(there[there >= 0], target.boxes[there >= 0]))
    return tuple(found)


def _mirrored(target: Target) -> Target:
    boxes = target.boxes.clone()
    boxes[:, 0] = 1 - boxes[:, 0]
    return Target(target.labels, boxes)
