"""Calibrates a model into a folder: the default method's depth says where; the disk takes class after class."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from expunge.data import Images
from expunge.errors import EmptyClassError
from expunge.memory import RANK, check_free, measure_classes, write_memory
from expunge.methods import ClosedForm
from expunge.runs.run import Stage
from expunge.tasks import Progress
from expunge.vision import VisionModel

Depth = Literal["fast", "default", "thorough"]


@dataclass(frozen=True)
class Calibrated:
    """Result of a calibration.

    Attributes:
        entry: Index of the block whose inputs are kept.
        classes: How many classes are known.
        images: How many images they were taken of.
        bytes: Size of the statistics on the disk.
        seconds: How long it took.
    """

    entry: int
    classes: int
    images: int
    bytes: int
    seconds: float


def calibrate_to(
    model: VisionModel,
    images: Images,
    folder: Path,
    *,
    depth: Depth = "thorough",
    rank: int = RANK,
    report: Callable[[Stage], None] = lambda stage: None,
) -> Calibrated:
    """Takes the statistics of all classes and writes them, holding one class at a time.

    Args:
        model: The model before any edit.
        images: Training images in the model's class order.
        folder: A new or empty folder for the memory.
        depth: The deepest edit of the method `closed-form` that the memory shall serve; it serves all less deep ones.
        rank: Principal directions to keep of each class.
        report: Told about the progress.

    Raises:
        OutputError: The folder holds something already, or cannot be written.
        EmptyClassError: There is no image.
        ClassMemoryError: Hidden states are not finite, or `rank` is below 1.
        ModelError: The model cannot go on from the states that are kept.
    """
    check_free(folder)
    if not len(images):
        raise EmptyClassError("no training image of any class: there is nothing to take statistics of; fill train/")
    started, done = time.perf_counter(), 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        report(Stage("calibrating", Progress(done, len(images))))

    entry = ClosedForm(depth=depth).first_block(model)
    found = measure_classes(model, images, entry, rank, tell)
    index = write_memory(folder, entry, model.digest(), model.classes, found)
    return Calibrated(entry, len(index.statistics), len(images), index.size, time.perf_counter() - started)
