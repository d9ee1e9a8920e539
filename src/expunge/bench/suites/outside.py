"""Models that no default was chosen on: the requests and images of `fashion`, with a Swin and with a ConvNeXt.

No checkpoint of them is part of the package: the benchmark trains the model of every seed and keeps it.
"""

from dataclasses import asdict, replace

from expunge.bench.suite import Suite
from expunge.bench.suites import fashion
from expunge.bench.suites._small import FINE_TUNING, train_small
from expunge.data import Images
from expunge.vision import VisionModel
from expunge.zoo import ConvNextShape, Recipe, SwinShape, wrap
from expunge.zoo.fashion import CLASSES

SWIN = Recipe(SwinShape(), epochs=6, mirror=True)
CONVNEXT = Recipe(ConvNextShape(), epochs=6, mirror=True)


def swin(quick: bool) -> Suite:
    """The requests of `fashion` on a Swin transformer of two stages."""
    return _suite("swin", "Swin", SWIN, quick)


def convnext(quick: bool) -> Suite:
    """The requests of `fashion` on a ConvNeXt of two stages."""
    return _suite("convnext", "ConvNeXt", CONVNEXT, quick)


def _suite(family: str, title: str, whole: Recipe, quick: bool) -> Suite:
    inside = fashion.suite(quick)
    recipe = replace(whole, epochs=1) if quick else whole
    name = f"fashion-{family}"

    def training(images: Images, seed: int, start: VisionModel | None) -> VisionModel:
        return train_small(recipe, images, seed, start)

    return replace(
        inside,
        name=name,
        summary=f"A {title} trained on Fashion-MNIST, a model outside the suites; {len(inside.requests)} requests",
        settings=inside.settings[:1],
        base=lambda: wrap(recipe.shape.build(len(CLASSES)), CLASSES, name),
        shipped=False,
        train=training,
        recipe={**asdict(recipe), "family": family, "fine_tuning": FINE_TUNING},
    )
