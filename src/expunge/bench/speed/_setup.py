"""A model and the images of one request, as methods are shown them."""

from dataclasses import dataclass

import torch

from expunge.bench._clock import now
from expunge.bench.speed._schedule import StepTimer
from expunge.data import Images
from expunge.memory import Prototypes
from expunge.methods import Method
from expunge.tasks import ForgetTask, Progress
from expunge.tasks.classification import Context
from expunge.vision import ActivationCache, VisionModel


@dataclass(frozen=True)
class SpeedSetup:
    """A model and the images of one request; none of them has been read.

    There are no validation images: looking at them would cost the trained methods time, and no other method.

    Attributes:
        model: The model as earlier requests left it.
        images: Images of the class to forget and of others.
        width: Numbers in an embedding.
        target: Index of the class to forget.
        forgotten: Indices of classes that earlier requests have taken.
    """

    model: VisionModel
    images: Images
    width: int
    target: int = 0
    forgotten: tuple[int, ...] = ()

    @property
    def counts(self) -> tuple[int, int]:
        """Numbers of images: of what stays, and of what goes."""
        forget = self.images.counts()[self.target]
        return len(self.images) - forget, forget

    def task(self, images: Images) -> ForgetTask:
        """The request, with `images`, which are this scene's."""
        return ForgetTask(
            targets=(self.target,),
            forgotten=self.forgotten,
            forget=images.only([self.target]),
            retain=images.without([self.target]),
            validation=Images((), (), images.classes),
        )

    def context(self, method: Method, cache: ActivationCache, steps: StepTimer | None = None) -> Context:
        """Context of the method. It reports its steps to `steps`.

        Prototypes are random: they are taken once for all requests, and no step takes longer for what is in them.
        """
        classes = len(self.model.classes)
        values = torch.randn(classes, self.width, generator=torch.Generator().manual_seed(0))
        made_up = Prototypes(values, torch.ones(classes, dtype=torch.int64)) if method.needs_prototypes else None

        def report(progress: Progress) -> None:
            if steps is not None:
                steps.tick()

        return Context(self.model, cache, made_up, report=report)


@dataclass(frozen=True)
class Filled:
    """Hidden states of all images of a scene, and how long it took to read the images and get them."""

    cache: ActivationCache
    seconds: float


def fill(scene: SpeedSetup, entry: int) -> Filled:
    """Reads all images and runs the blocks below `entry`, as a training does in its first epoch."""
    device = scene.model.device
    started = now(device)
    cache = ActivationCache(scene.model, entry)
    for batch in cache.batches(scene.images):
        cache.hidden(scene.images, batch)
    return Filled(cache, now(device) - started)
