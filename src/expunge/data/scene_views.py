"""Smaller views of scenes, class by class and by image: few shots, so many, and replay."""

from hashlib import sha256

from expunge.data._draw import share
from expunge.data.scenes import Scenes
from expunge.errors import DataError, TooFewImagesError


def few_shot_scenes(scenes: Scenes, shots: int, seed: int) -> Scenes:
    """For every class with a box here, `shots` of the images that hold it; all together, order kept.

    Images keep all of their boxes, since an object without a box would be taught as background. So a class may come
    with more than `shots` images: those that were drawn for its neighbours. Fewer shots of the same seed are a subset
    of more.

    Raises:
        DataError: `shots` is below 1.
        TooFewImagesError: A class is in some images, but in fewer than `shots`.
    """
    if shots < 1:
        raise DataError(f"{shots} shots a class were asked for: ask for at least 1")
    chosen: set[int] = set()
    for name, order in zip(scenes.classes, draw_orders(scenes, seed), strict=True):
        if 0 < len(order) < shots:
            raise TooFewImagesError(
                f"class {name!r} is in {len(order)} images, {shots} shots were asked for: "
                "ask for fewer shots or add images"
            )
        chosen.update(order[:shots])
    return scenes.select(sorted(chosen))


def limited_scenes(scenes: Scenes, per_class: int, seed: int) -> Scenes:
    """At most `per_class` scenes for each class, and those without any box, order kept; 0 for all.

    Scenes keep all of their boxes, so a class may come with more: those that were drawn for its neighbours.
    """
    if not per_class:
        return scenes
    drawn = {i for order in draw_orders(scenes, seed) for i in order[:per_class]}
    return scenes.select(i for i, scene in enumerate(scenes.scenes) if i in drawn or not scene.boxes)


def replay_scenes(scenes: Scenes, fraction: float, seed: int) -> Scenes:
    """For every class a share of the images that hold it; all together, order kept, with all of their boxes.

    Of n images that hold a class, `fraction` of n (round half up) are taken, but at least one if there is any. Images
    without any box are not drawn. A smaller fraction of the same seed is a subset of a larger one.

    Raises:
        DataError: `fraction` is not above 0 and at most 1.
    """
    if not 0 < fraction <= 1:
        raise DataError(f"replay fraction {fraction} is not above 0 and at most 1: try 0.1")
    orders = draw_orders(scenes, seed)
    return scenes.select(sorted({i for order in orders for i in order[: max(share(fraction, len(order)), 1)]}))


def draw_orders(scenes: Scenes, seed: int) -> tuple[tuple[int, ...], ...]:
    """For each class the positions of the scenes that hold it, in the order in which `seed` draws them.

    A scene's turn follows from a hash of the seed and its image's name alone, the same for every class in it. So
    classes that share images are drawn together, and the same on every machine.
    """

    def turn(position: int) -> bytes:
        name = scenes.scenes[position].sample.name
        return sha256(f"{seed}/{name}".encode(errors="surrogatepass")).digest()

    positions: list[list[int]] = [[] for _ in scenes.classes]
    for position in sorted(range(len(scenes)), key=turn):
        for label in {box.label for box in scenes.scenes[position].boxes}:
            positions[label].append(position)
    return tuple(tuple(order) for order in positions)
