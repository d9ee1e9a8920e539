"""Takes the statistics of a model's classes from their images, once."""

from collections.abc import Callable, Iterator

import torch

from expunge.data import Images
from expunge.errors import ClassMemoryError
from expunge.memory.memory import Memory
from expunge.memory.statistics import Accumulator, ClassStatistics
from expunge.vision import VisionModel

BATCH = 32
RANK = 8
"""Principal directions that are kept of each class."""


def calibrate(
    model: VisionModel,
    images: Images,
    entry: int,
    rank: int = RANK,
    report: Callable[[int], None] = lambda done: None,
) -> Memory:
    """Takes the statistics of every class in `images` at the entry of block `entry`.

    Args:
        model: The model as it is before any edit.
        images: Images labelled in the model's class order. A class without images is not remembered.
        entry: Index of the block.
        rank: Principal directions to keep of each class.
        report: Told the number of images in each batch that is done.

    Raises:
        NoBlocksError: There is no such block, or the model cannot go on from what enters it.
        ClassMemoryError: `rank` is below 1, or hidden states are not finite.
        UnreadableImageError: An image cannot be decoded.
    """
    statistics = dict(measure_classes(model, images, entry, rank, report))
    return Memory(entry, model.digest(), model.classes, statistics)


def measure_classes(
    model: VisionModel,
    images: Images,
    entry: int,
    rank: int = RANK,
    report: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[int, ClassStatistics]]:
    """The same, class after class, holding one at a time; for memories that are written to the disk as they come.

    Each class's statistics depend on its own images alone, to the last bit.
    """
    positions: dict[int, list[int]] = {}
    for position, label in enumerate(images.labels):
        positions.setdefault(label, []).append(position)
    for label in sorted(positions):
        yield label, _measure(model, images, label, positions[label], entry, rank, report)


@torch.no_grad()
def _measure(
    model: VisionModel,
    images: Images,
    label: int,
    positions: list[int],
    entry: int,
    rank: int,
    report: Callable[[int], None],
) -> ClassStatistics:
    found = Accumulator(rank)
    for start in range(0, len(positions), BATCH):
        batch = positions[start : start + BATCH]
        hidden = model.enter(model.prepare(images.load(batch)), entry)
        try:
            found.add(hidden, model.resume(hidden, entry).embedding)
        except ClassMemoryError as error:
            raise ClassMemoryError(f"class {images.classes[label]!r}: {error}") from error
        report(len(batch))
    return found.result()
