"""The task of image classifiers: one class an image."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import ClassVar

import torch

from expunge.data import Images, Splits, align, few_shot, replay
from expunge.memory import Memory, Prototypes, compute_prototypes
from expunge.tasks.classification.accuracy import Accuracies, mask_classes
from expunge.tasks.classification.context import Context
from expunge.tasks.classification.views import observe
from expunge.tasks.plan import Plan, check_images
from expunge.tasks.protocol import Task, silent
from expunge.tasks.request import Available, Progress
from expunge.tasks.rows import HeadRows
from expunge.tasks.views import Observed, View
from expunge.vision import ActivationCache, VisionModel


class Classification(Task[VisionModel, Images]):
    """Images with one class each; rates are accuracies."""

    name: ClassVar[str] = VisionModel.task
    noun: ClassVar[str] = "image classifier"
    unit: ClassVar[str] = "accuracy"
    memories: ClassVar[bool] = True

    def one(self, part: str) -> str:
        """An image."""
        return f"{part} image"

    def align(self, data: Splits[Images], classes: Sequence[str], *, partial: bool = False) -> Splits[Images]:
        """See `expunge.data.align`."""
        return align(data, classes, partial=partial)

    def check(
        self,
        model: VisionModel,
        plan: Plan,
        data: Splits[Images],
        found: Available[Images],
        remembered: Collection[int] = (),
    ) -> None:
        """Every class to forget needs training images, unless it is remembered, and test images."""
        check_images(plan, data, remembered)

    def few_shot(self, examples: Images, shots: int, seed: int) -> Images:
        """Exactly `shots` images of every class that has any."""
        return few_shot(examples, shots, seed)

    def replay(self, examples: Images, fraction: float, seed: int) -> Images:
        """A stratified share of the images."""
        return replay(examples, fraction, seed)

    def untouched_by(self, examples: Images, classes: Collection[int]) -> Images:
        """The images of all other classes."""
        return examples.without(classes)

    def cache(self, model: VisionModel, entry: int = 0, *, batch_size: int = 48) -> ActivationCache:
        """Hidden states of images."""
        return ActivationCache(model, entry, batch_size=batch_size)

    def caches(self, models: Sequence[VisionModel]) -> tuple[ActivationCache, ...]:
        """They keep nothing, as each image is looked at once."""
        return tuple(ActivationCache(model, limit_bytes=0) for model in models)

    def observe(self, cache: ActivationCache, examples: Images) -> Observed:
        """With the mean token of every block."""
        return observe(cache, examples)

    def view(self, cache: ActivationCache, attack: Images, test: Images) -> View:
        """Both sets of images."""
        return View(observe(cache, attack), observe(cache, test))

    def look(
        self, cache: ActivationCache, test: Images, progress: Callable[[int], None] = lambda done: None
    ) -> Observed:
        """Embeddings and logits; blocks are not looked into."""
        output = cache.outputs(test, progress)
        return Observed(output.embedding, output.logits, torch.tensor(test.labels, dtype=torch.int64))

    def struck(self, seen: Observed, classes: Collection[int]) -> Observed:
        """Columns at minus infinity."""
        return replace(seen, logits=mask_classes(seen.logits, classes))

    def in_place(self, seen: Observed, rows: HeadRows, classes: Collection[int]) -> Observed:
        """Columns of the other head."""
        return replace(seen, logits=rows.put_back(seen.logits, seen.embedding, classes))

    def scores(self, seen: Observed, test: Images) -> Accuracies:
        """Accuracies."""
        return Accuracies(seen.logits, seen.labels)

    def prototypes(
        self, cache: ActivationCache, data: Available[Images], named: Collection[int], seed: int
    ) -> Prototypes:
        """Mean embeddings."""
        gone, kept = data.forget.only(named), data.replay.without(named)
        images = Images((*gone.samples, *kept.samples), (*gone.labels, *kept.labels), gone.classes)
        return compute_prototypes(cache, images, seed=seed)

    def context(
        self,
        cache: ActivationCache,
        *,
        prototypes: Prototypes | None = None,
        seed: int = 0,
        report: Callable[[Progress], None] = silent,
        memory: Memory | None = None,
    ) -> Context:
        """Images, and statistics in place of them."""
        return Context(cache.model, cache, prototypes, seed, report, memory)
