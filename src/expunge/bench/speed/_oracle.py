"""The oracle: a model trained without the class from the start. A few of its steps are timed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from statistics import median

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from expunge.bench._clock import release
from expunge.bench._memory import peak_memory
from expunge.bench.speed._limits import TimeLimits
from expunge.bench.speed._measured import TimedRun
from expunge.bench.speed._schedule import Enough, StepTimer
from expunge.data import Images
from expunge.vision import VisionModel, autocast
from expunge.zoo import Recipe, train
from expunge.zoo.faces import TUNED_BLOCKS, train_faces
from expunge.zoo.faces import Recipe as FacesRecipe

IMAGENET, DEIT_EPOCHS = 1_281_167, 300
"""Training images of ImageNet-1k, and how often DeiT (Touvron et al., arXiv 2012.12877) goes through them."""


@dataclass(frozen=True)
class Oracle:
    """A training whose steps can be timed.

    Attributes:
        train: Trains for so many steps and calls what it is given after each.
        images: Images that the whole training looks at, one of them as often as there are epochs.
        batch: Images a step.
        steps: Steps of the whole training.
        words: What the training is.
        share: Part of the model's blocks that a step runs.
        peak: Whether a step needs the memory that one of the whole training would.
    """

    train: Callable[[int, Callable[[], None]], None]
    images: int
    batch: int
    steps: int
    words: str
    share: float = 1.0
    peak: bool = True


def run_oracle(oracle: Oracle, device: torch.device, limits: TimeLimits) -> TimedRun:
    """Times some steps and adds up the whole training. What comes before the first step is not counted."""
    release(device)
    steps = StepTimer(device, limits)
    with peak_memory(device) as peak, suppress(Enough):
        oracle.train(limits.steps + 1, steps.tick)
    step = median(end - start for start, end in zip(steps.ends, steps.ends[1:], strict=False))
    passes = oracle.steps * oracle.batch * oracle.share
    return TimedRun(
        seconds=oracle.steps * step,
        peak_mb=peak.mb if oracle.peak else None,
        images_read=oracle.images,
        forward=passes,
        backward=passes,
        step_seconds=step,
        measured_steps=steps.measured,
        schedule_steps=oracle.steps,
        schedule=oracle.words,
    )


def small_oracle(recipe: Recipe, retained: Images) -> Oracle:
    """The recipe of one of the zoo's small models on the images of what stays."""
    batch = recipe.batch_size

    def steps(count: int, tick: Callable[[], None]) -> None:
        # A single batch of images: an epoch is a step then.
        with _after_each_step(tick):
            train(replace(recipe, epochs=count), retained.select(range(batch)), seed=0)

    total = recipe.epochs * (len(retained) // batch)
    words = f"{recipe.epochs} epochs over {len(retained):,} images, {batch} a step"
    return Oracle(steps, len(retained), batch, total, words)


def faces_oracle(recipe: FacesRecipe, retained: Images) -> Oracle:
    """The recipe of `zoo:faces`, which starts from a pre-trained backbone and keeps its lower blocks."""
    batch = min(recipe.batch_size, len(retained))

    def steps(count: int, tick: Callable[[], None]) -> None:
        # Without augmented copies the warm-up step has seen all images: the lower blocks are not run again.
        with _after_each_step(tick):
            train_faces(replace(recipe, epochs=count, copies=0), retained.select(range(batch)))

    total = recipe.epochs * max(1, len(retained) // recipe.batch_size)
    words = (
        f"{recipe.epochs} epochs over {len(retained):,} photos, {batch} a step, from a pre-trained backbone; "
        "running its lower blocks once is not counted"
    )
    return Oracle(steps, len(retained), batch, total, words, share=TUNED_BLOCKS / 12)


def imagenet_oracle(model: VisionModel, pixels: Callable[[int], torch.Tensor], batch: int) -> Oracle:
    """DeiT's schedule for a ViT-B/16. Steps are as small as this machine can take; the optimizer's part is left out.

    Args:
        model: The model; it is left as it was.
        pixels: (batch, 3, height, width) of so many images.
        batch: Images a step.
    """
    steps = partial(_passes, model, pixels(batch))
    total = ceil(DEIT_EPOCHS * IMAGENET / batch)
    words = (
        f"{DEIT_EPOCHS} epochs over ImageNet-1k's {IMAGENET:,} images as DeiT trains a ViT-B/16 (arXiv 2012.12877), "
        f"by the time of {batch} images forward and backward; the optimizer is not counted"
    )
    return Oracle(steps, IMAGENET, batch, total, words, peak=False)


def _passes(model: VisionModel, pixels: torch.Tensor, count: int, tick: Callable[[], None]) -> None:
    """Forward and backward through all weights."""
    labels = torch.zeros(len(pixels), dtype=torch.int64, device=model.device)
    model.module.requires_grad_(True)
    try:
        for _ in range(count):
            with autocast(model.device):
                logits = model(pixels).logits
            model.loss(logits.float(), labels).backward()
            model.module.zero_grad(set_to_none=True)
            tick()
    finally:
        model.module.zero_grad(set_to_none=True)
        model.module.requires_grad_(False)


@contextmanager
def _after_each_step(tick: Callable[[], None]) -> Iterator[None]:
    """Calls `tick` after each step of any optimizer while the context lasts."""
    handle = register_optimizer_step_post_hook(lambda *_: tick())
    try:
        yield
    finally:
        handle.remove()
