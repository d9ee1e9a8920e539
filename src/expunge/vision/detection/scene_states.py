"""Cached detector passes over scenes: the unedited lower part is run once."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.data import Sample, Scenes
from expunge.vision.activations import StateCache
from expunge.vision.detection._sharing import share_backbone
from expunge.vision.detection.detect import Detections, detect
from expunge.vision.detection.matching import Match, Matched, match, matched
from expunge.vision.detection.model import DetectionModel
from expunge.vision.detection.output import DetectionOutput, Kind
from expunge.vision.detection.targets import Target, target_of
from expunge.vision.heads import STRUCK_LOGIT


class SceneCache(StateCache[DetectionModel]):
    """Cached states at a detector's cut below block `entry`, kept per picture; see `DetectionModel.enter`.

    All pictures must come to one size in the detector's preprocessing, or go through in batches of one.
    """

    def hidden(self, scenes: Scenes, indices: Sequence[int]) -> Float[Tensor, "n numbers"]:
        """Rows of `scenes[indices]`, on the model's device."""
        return self.states([scenes.scenes[i].sample for i in indices])

    def output(self, scenes: Scenes, indices: Sequence[int]) -> DetectionOutput:
        """Output of the detector for `scenes[indices]`, under the caller's grad mode."""
        return self.model.resume(self.hidden(scenes, indices), self.entry)

    def batches(self, scenes: Scenes) -> Iterator[list[int]]:
        """Indices of `scenes` in order, in batches."""
        return self.indices(len(scenes))


class BorrowedStates(SceneCache):
    """Another detector on the states of a cache: sound where both are the same below the cache's block."""

    def __init__(self, model: DetectionModel, lender: SceneCache):
        """`lender` computes and keeps."""
        super().__init__(model, lender.entry, batch_size=lender.batch_size, limit_bytes=0)
        self._lender = lender

    def states(self, samples: Sequence[Sample]) -> Tensor:
        """States of images, stacked, on the lending model's device."""
        return self._lender.states(samples)


def shared_caches(models: Sequence[DetectionModel], *, batch_size: int) -> tuple[SceneCache, ...]:
    """A cache a detector; those on one backbone let it look at each picture once, all together."""
    caches: list[SceneCache] = []
    for model in models:
        lender = next((one for one in caches if share_backbone(model, one.model)), None)
        caches.append(BorrowedStates(model, lender) if lender else SceneCache(model, batch_size=batch_size))
    return tuple(caches)


@dataclass(frozen=True, eq=False)
class Objects:
    """The queries that stand at the objects of some scenes, one row an object, on the CPU in float32.

    Attributes:
        features: What the classifier was given.
        logits: What it made of it, one number a class.
        labels: The objects' true classes.
        scenes: Which scene each object is in.
    """

    features: Float[Tensor, "m d"]
    logits: Float[Tensor, "m c"]
    labels: Int[Tensor, " m"]
    scenes: Int[Tensor, " m"]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: Tensor) -> Self:
        """Some objects, by index or by mask."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, eq=False)
class SceneView:
    """One detector's answers to n scenes, on the CPU in float32.

    Attributes:
        objects: The queries at the true objects.
        logits: What the classifier made of every query.
        boxes: Every query's box, centre and size as shares of the picture.
        kind: What the logits are.
        sizes: Width and height of each picture in pixels.
        features: What the classifier was given at every query; None where nobody asked to keep it.
    """

    objects: Objects
    logits: Float[Tensor, "n q rows"]
    boxes: Float[Tensor, "n q 4"]
    kind: Kind
    sizes: tuple[tuple[int, int], ...]
    features: Float[Tensor, "n q d"] | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    def found(self) -> tuple[Detections, ...]:
        """Detections in each scene, boxes in pixels."""
        return detect(DetectionOutput(self.logits[..., :0], self.logits, self.boxes, self.kind), self.sizes)

    def struck(self, classes: Collection[int]) -> Self:
        """The same answers where no query may say one of `classes`: exactly what a head mask of them would leave."""
        logits = self.logits.clone()
        logits[..., sorted(classes)] = STRUCK_LOGIT
        return replace(self, logits=logits)


def locate(output: DetectionOutput, targets: Sequence[Target], model: DetectionModel) -> tuple[Match, ...]:
    """Assignment of queries to objects by boxes alone: what an object is called plays no part.

    So the same rule holds before and after a class is forgotten, for a class whose logit is struck, and for an object
    of no class: labels may be none of the detector's.

    Raises:
        DetectionError: Targets and output do not fit together.
        MissingExtraError: scipy is not installed.
    """
    nameless = [replace(target, labels=torch.zeros_like(target.labels)) for target in targets]
    return match(output, nameless, replace(model.criterion.costs, label=0.0))


def located(output: DetectionOutput, targets: Sequence[Target], model: DetectionModel) -> Matched:
    """Outputs of the queries at the objects beside what is there; gradients flow through the output's part."""
    return matched(output, targets, locate(output, targets, model))


@torch.no_grad()
def look(
    cache: SceneCache,
    scenes: Scenes,
    *,
    features: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> SceneView:
    """Runs the detector of `cache` over `scenes`, at least one.

    Args:
        cache: The detector, and what passes its cut.
        scenes: Pictures with what is in them.
        features: Whether to keep those of every query, not only of those at objects.
        progress: Told the size of each batch.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    model, parts, where, outputs = cache.model, [], [], []
    for batch in cache.batches(scenes):
        output = cache.output(scenes, batch)
        one = located(output, [target_of(scenes.scenes[i]) for i in batch], model)
        parts.append((one.features, one.logits[:, : len(model.classes)], one.labels))
        where.append(one.images.cpu() + batch[0])
        said = (output.logits, output.boxes, *([output.features] if features else []))
        outputs.append(tuple(part.float().cpu() for part in said))
        progress(len(batch))
    given, logits, labels = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
    every = [torch.cat(column) for column in zip(*outputs, strict=True)]
    return SceneView(
        Objects(given.float(), logits.float(), labels, torch.cat(where)),
        logits=every[0],
        boxes=every[1],
        kind=model.kind,
        sizes=tuple((scene.width, scene.height) for scene in scenes.scenes),
        features=every[2] if features else None,
    )
