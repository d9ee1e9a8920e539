"""Smaller views of a set of images: few shots a class, so many at the most, and the replay of what is retained."""

from expunge.data._draw import draw_orders, share
from expunge.data.images import Images
from expunge.errors import DataError, TooFewImagesError


def few_shot(images: Images, shots: int, seed: int) -> Images:
    """Exactly `shots` images of every class that has any here, order kept.

    Fewer shots of the same seed are a subset of more.

    Raises:
        DataError: `shots` is below 1.
        TooFewImagesError: A class has images, but fewer than `shots`.
    """
    if shots < 1:
        raise DataError(f"{shots} shots a class were asked for: ask for at least 1")
    chosen: list[int] = []
    for name, order in zip(images.classes, draw_orders(images, seed), strict=True):
        if 0 < len(order) < shots:
            raise TooFewImagesError(
                f"class {name!r} has {len(order)} images, {shots} shots were asked for: "
                "ask for fewer shots or add images"
            )
        chosen += order[:shots]
    return images.select(sorted(chosen))


def limited(images: Images, per_class: int, seed: int) -> Images:
    """At most `per_class` images of each class, drawn by `seed`, those of scarce classes first; 0 for all."""
    if not per_class:
        return images
    scarce = [label for label, count in enumerate(images.counts()) if 0 < count <= per_class]
    few = images.only(scarce)
    return few + few_shot(images.without(scarce), per_class, seed) if len(scarce) < len(images.classes) else few


def replay(images: Images, fraction: float, seed: int) -> Images:
    """A stratified share of the images, order kept.

    Of a class with n images, `fraction` of n (round half up) are taken, but at least one if it has any. A
    smaller fraction of the same seed is a subset of a larger one.

    Raises:
        DataError: `fraction` is not above 0 and at most 1.
    """
    if not 0 < fraction <= 1:
        raise DataError(f"replay fraction {fraction} is not above 0 and at most 1: try 0.1")
    orders = draw_orders(images, seed)
    chosen = [position for order in orders for position in order[: max(share(fraction, len(order)), 1)]]
    return images.select(sorted(chosen))
