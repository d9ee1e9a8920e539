"""The models that methods are timed on, with images and an oracle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch

from expunge.bench.speed._oracle import Oracle, faces_oracle, imagenet_oracle, small_oracle
from expunge.bench.speed._setup import SpeedSetup
from expunge.bench.speed._vit import BASE, LARGE, TINY, VitShape, random_images, random_vit
from expunge.data import Images, few_shot
from expunge.errors import BenchError, MissingExtraError
from expunge.vision import ActivationCache, VisionModel
from expunge.zoo import SMALL, model_entry
from expunge.zoo.faces import Recipe as FacesRecipe

PICTURED = 4
"""Classes of a random transformer that have images; its head knows many more."""


@dataclass(frozen=True)
class TimedModel:
    """A model to time methods on.

    Attributes:
        name: Its name on the command line.
        summary: What it is.
        model: The model, on its device.
        images: So many images of every class that has any; raises TooFewImagesError where there are fewer.
        pictured: How many classes have images.
        oracle: Its training from scratch, or why there is none.
    """

    name: str
    summary: str
    model: VisionModel
    images: Callable[[int], Images]
    pictured: int
    oracle: Oracle | str

    def scene(self, count: int) -> SpeedSetup:
        """A request with `count` images a class."""
        name = self.model.head_name
        weight = self.model.module.get_submodule(name).get_parameter("weight")
        return SpeedSetup(self.model, self.images(count), width=weight.shape[1])

    def forward_seconds(self, clock: Callable[[], float]) -> float:
        """Seconds of one image's forward pass, all blocks, after a warm-up."""
        images = self.images(1)
        few = list(range(min(len(images), PICTURED)))
        cache = ActivationCache(self.model)
        with torch.no_grad():
            cache.output(images, few)
            started = clock()
            cache.output(images, few)
            return (clock() - started) / len(few)


def subject_names() -> tuple[str, ...]:
    """Names of the models that are timed by default."""
    return tuple(name for name in _MAKERS if name != QUICK_SUBJECT)


def make_subject(name: str, device: torch.device) -> TimedModel:
    """The model of that name, on `device`.

    Raises:
        BenchError: There is none.
        MissingExtraError: Something that it needs is not installed.
    """
    check_subject(name)
    return _MAKERS[name](name, device)


def check_subject(name: str) -> None:
    """Refuses a name that no model has.

    Raises:
        BenchError: There is no such model.
    """
    if name not in _MAKERS:
        raise BenchError(f"no model {name!r} to time; there is: {', '.join(_MAKERS)}")


def _zoo(name: str, device: torch.device) -> TimedModel:
    found = model_entry(name)
    pool = found.data(0).train
    retained = pool.without([0])
    return TimedModel(
        name=name,
        summary=found.summary,
        model=found.model().to(device),
        images=lambda count: few_shot(pool, count, 0),
        pictured=len(pool.classes),
        oracle=_zoo_oracle(name.partition(":")[2], retained, device),
    )


def _zoo_oracle(key: str, retained: Images, device: torch.device) -> Oracle | str:
    if device.type != "cpu":
        return "its recipe trains on the CPU alone, which could not be compared"
    if key not in SMALL:
        return faces_oracle(FacesRecipe(), retained)
    try:
        whole = SMALL[key].data().train
    except MissingExtraError as error:
        return str(error)
    return small_oracle(SMALL[key].recipe, whole.without([0]))


def _random(shape: VitShape, classes: int, summary: str, name: str, device: torch.device) -> TimedModel:
    model = random_vit(shape, classes, name=name).to(device)

    def pixels(count: int) -> torch.Tensor:
        images = random_images(shape, classes, {0: count})
        return model.prepare(images.load()).to(device)

    batch = 64 if device.type == "cuda" else 2
    no_recipe = "no published number of epochs on ImageNet-1k alone that we could cite for this size"
    return TimedModel(
        name=name,
        summary=summary,
        model=model,
        images=lambda count: random_images(shape, classes, dict.fromkeys(range(PICTURED), count)),
        pictured=PICTURED,
        oracle=imagenet_oracle(model, pixels, batch) if shape == BASE else no_recipe,
    )


QUICK_SUBJECT = "vit-tiny"
_MAKERS: Mapping[str, Callable[[str, torch.device], TimedModel]] = {
    **dict.fromkeys(("zoo:fashion", "zoo:glyphs", "zoo:faces"), _zoo),
    "vit-b/16": partial(_random, BASE, 1000, "ViT-B/16 at 224 px with random weights"),
    "vit-l/16": partial(_random, LARGE, 1000, "ViT-L/16 at 224 px with random weights"),
    QUICK_SUBJECT: partial(_random, TINY, 10, "a ViT of two blocks at 32 px with random weights"),
}
