"""Scenes of a training step, and what the detector makes of them."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from expunge.data import Scene, Scenes
from expunge.vision import autocast
from expunge.vision.detection import DetectionOutput, SceneCache, Target, target_of


@dataclass(frozen=True, eq=False)
class SceneBatch:
    """Scenes of one training step and what the detector makes of them now.

    Attributes:
        scenes: The scenes.
        targets: Their objects.
        output: Queries under the weights in training.
    """

    scenes: tuple[Scene, ...]
    targets: tuple[Target, ...]
    output: DetectionOutput


SceneObjective = Callable[[SceneBatch, SceneBatch], Tensor]
"""(retain batch, forget batch) -> scalar data loss."""


def both_batches(
    cache: SceneCache, retain: Scenes, kept: Sequence[int], forget: Scenes, gone: Sequence[int]
) -> tuple[SceneBatch, SceneBatch]:
    """Runs `retain[kept]` and `forget[gone]` in one forward pass, under the caller's grad mode."""
    hidden = torch.cat([cache.hidden(retain, kept), cache.hidden(forget, gone)])
    with autocast(cache.model.device):
        both = cache.model.resume(hidden, cache.entry)
    cut = len(kept)
    return (
        make_batch(retain, kept, at_images(both, slice(0, cut))),
        make_batch(forget, gone, at_images(both, slice(cut, None))),
    )


def make_batch(scenes: Scenes, indices: Sequence[int], output: DetectionOutput) -> SceneBatch:
    """`scenes[indices]` with the detector's `output` for them."""
    chosen = tuple(scenes.scenes[i] for i in indices)
    return SceneBatch(chosen, tuple(target_of(scene) for scene in chosen), output)


def at_images(output: DetectionOutput, where: slice | Sequence[int] | Tensor) -> DetectionOutput:
    """Rows of `output` of some of its images, in float32."""
    features, logits, boxes = (part[where].float() for part in (output.features, output.logits, output.boxes))
    return DetectionOutput(features, logits, boxes, output.kind)


@torch.no_grad()
def outputs(cache: SceneCache, scenes: Scenes, *, as_trained: bool = False) -> DetectionOutput:
    """Outputs of the detector for all of `scenes`, at least one, on its own device, in float32.

    With `as_trained`, computed in the precision of a training step; what is cached is the same for everybody.
    """
    parts = []
    for batch in cache.batches(scenes):
        hidden = cache.hidden(scenes, batch)
        with autocast(cache.model.device) if as_trained else nullcontext():
            parts.append(cache.model.resume(hidden, cache.entry))
    columns = zip(*((part.features, part.logits, part.boxes) for part in parts), strict=True)
    return DetectionOutput(*(torch.cat(column).float() for column in columns), kind=cache.model.kind)
