"""Growth of a request's seconds with classes, forget images, edited blocks, and requests already done.

Measured on a small transformer with random weights. All points of a curve are measured in turn, again and again, and
the median is taken.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from statistics import median
from typing import Any, Literal, get_args, get_type_hints

import torch

from expunge.adapters import EditStack
from expunge.bench._clock import now
from expunge.bench.speed._limits import TimeLimits
from expunge.bench.speed._request import carry_out, run_whole
from expunge.bench.speed._setup import SpeedSetup
from expunge.bench.speed._vit import VitShape, random_images, random_vit
from expunge.bench.speed.results import Curve, GrowthPoint
from expunge.methods import Method, make_method
from expunge.vision import VisionModel

SHOTS = 4
"""Images of each class that stays."""

Report = Callable[[str], None]
Round = Callable[[], Mapping[int, float]]
"""Measures all points of a curve once: x -> seconds."""


@dataclass(frozen=True)
class Grid:
    """Grid of the sizes that are tried.

    Attributes:
        shape: Size of the transformer.
        classes: Numbers of classes; the other curves have the first.
        forget: Numbers of forget images.
        requests: Length of a sequence of requests, each of one class.
    """

    shape: VitShape
    classes: tuple[int, ...]
    forget: tuple[int, ...]
    requests: int

    def model(self, classes: int, device: torch.device) -> VisionModel:
        """A transformer with a head for so many classes."""
        return random_vit(self.shape, classes).to(device)

    def scene(self, model: VisionModel, forget: int) -> SpeedSetup:
        """A request of the first class, with so many images of it."""
        classes = len(model.classes)
        counts = {0: forget} | dict.fromkeys(range(1, classes), SHOTS)
        return SpeedSetup(model, random_images(self.shape, classes, counts), self.shape.width)

    @property
    def words(self) -> str:
        """The transformer in words."""
        shape = self.shape
        return f"random ViT of width {shape.width}, {shape.blocks} blocks, {shape.side} px"


@dataclass(frozen=True)
class _Plan:
    """A curve to be measured: what x counts, what stays the same, and one round."""

    of: Literal["classes", "forget images", "edited blocks", "requests done"]
    fixed: str
    take: Round


DEFAULT_GRID = Grid(VitShape(96, 12, 3, side=64), (10, 25, 50, 100), (1, 4, 16, 64, 256), 16)
QUICK_GRID = Grid(VitShape(32, 2, 2, side=32), (3, 6), (1, 2), 2)


def growth(
    name: str, grid: Grid, limits: TimeLimits, until: float, device: torch.device, report: Report = lambda note: None
) -> Iterator[Curve]:
    """All curves of one method; the one over blocks only if it has a setting that says how many it edits.

    Args:
        name: The method, with its defaults.
        grid: What is tried.
        limits: How often.
        until: When to begin no further round, in seconds of `now`. Of each curve there is one at least.
        device: Where.
        report: Told what is being measured.
    """
    for plan in _plans(make_method(name), grid, device):
        report(plan.of)
        rounds = [plan.take()]
        while len(rounds) < limits.runs and now(device) < until:
            rounds.append(plan.take())
        points = tuple(_point(x, [each[x] for each in rounds]) for x in sorted(rounds[0]))
        yield Curve(of=plan.of, fixed=plan.fixed, points=points)


def _plans(method: Method, grid: Grid, device: torch.device) -> Iterator[_Plan]:
    few, words = grid.classes[0], grid.words
    base = grid.model(few, device)
    one = grid.scene(base, SHOTS)
    variants = {edited_blocks(one, variant): (one, variant) for variant in block_variants(method)}
    run_whole(one, method)  # a warm-up
    larger = {count: (grid.scene(grid.model(count, device), SHOTS), method) for count in grid.classes}
    yield _Plan("classes", f"{words}; {SHOTS} images of each class", partial(_whole, larger))
    richer = {count: (grid.scene(base, count), method) for count in grid.forget}
    settled = f"{words}; {few} classes, {SHOTS} images of each"
    yield _Plan("forget images", f"{settled} that stays", partial(_whole, richer))
    if variants:
        yield _Plan("edited blocks", settled, partial(_whole, variants))
    yield _Plan(
        "requests done",
        f"{words}; requests of one class, {SHOTS} images of it and of each of {few} classes that stay",
        partial(sequence_seconds, grid, method, grid.model(few + grid.requests, device)),
    )


def _whole(points: Mapping[int, tuple[SpeedSetup, Method]]) -> Mapping[int, float]:
    return {x: run_whole(scene, method).run.seconds for x, (scene, method) in points.items()}


def sequence_seconds(grid: Grid, method: Method, model: VisionModel) -> Mapping[int, float]:
    """Seconds of each request of a sequence, by the number of those before. What stays is the same for all."""
    stack, classes = EditStack(model), len(model.classes)
    stays = dict.fromkeys(range(grid.requests, classes), SHOTS)
    seconds = {}
    for number in range(grid.requests):
        images = random_images(grid.shape, classes, {number: SHOTS} | stays)
        scene = SpeedSetup(model, images, grid.shape.width, number, tuple(range(number)))
        seconds[number] = carry_out(scene, method, stack).run.seconds
    while stack.edits:
        stack.undo()
    return seconds


def block_variants(method: Method) -> list[Method]:
    """The method with each value of the setting that says how many blocks are edited; empty if it has none."""
    made: Any = type(method)
    known = {field.name for field in fields(made)}
    if "depth" in known:
        return [made(depth=depth) for depth in get_args(get_type_hints(made)["depth"])]
    if "last_blocks" in known:
        return [made(last_blocks=number) for number in (1, 2, 4, 8, 12)]
    return []


def edited_blocks(scene: SpeedSetup, method: Method) -> int:
    """In how many blocks the method's edit changes a weight."""
    touched = run_whole(scene, method).edit.touched
    return sum(any(name.startswith(f"{block.name}.") for name in touched) for block in scene.model.blocks)


def _point(x: int, seconds: list[float]) -> GrowthPoint:
    return GrowthPoint(x=x, seconds=median(seconds), fastest=min(seconds), slowest=max(seconds), runs=len(seconds))
