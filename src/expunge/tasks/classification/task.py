"""The task of image classifiers: one class an image."""

from collections.abc import Callable, Collection
from typing import ClassVar

from expunge.data import Images, few_shot, replay
from expunge.memory import Memory, Prototypes, compute_prototypes
from expunge.tasks.classification.context import Context
from expunge.tasks.protocol import Task, silent
from expunge.tasks.request import Available, Progress
from expunge.vision import ActivationCache, VisionModel


class Classification(Task[VisionModel, Images]):
    """Images with one class each; rates are accuracies."""

    name: ClassVar[str] = VisionModel.task
    noun: ClassVar[str] = "image classifier"
    unit: ClassVar[str] = "accuracy"
    memories: ClassVar[bool] = True

    def few_shot(self, examples: Images, shots: int, seed: int) -> Images:
        """Exactly `shots` images of every class that has any."""
        return few_shot(examples, shots, seed)

    def replay(self, examples: Images, fraction: float, seed: int) -> Images:
        """A stratified share of the images."""
        return replay(examples, fraction, seed)

    def untouched_by(self, examples: Images, classes: Collection[int]) -> Images:
        """The images of all other classes."""
        return examples.without(classes)

    def cache(self, model: VisionModel, entry: int = 0) -> ActivationCache:
        """Hidden states of images."""
        return ActivationCache(model, entry)

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
