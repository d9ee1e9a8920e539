"""Puts names beside points so that no name covers another name or a point."""

from collections.abc import Sequence
from itertools import product
from math import cos, hypot, pi, sin

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""

RINGS = tuple(range(7, 150, 6))
ANGLES = tuple(2 * pi * step / 16 for step in range(16))


def place(points: Sequence[Point], sizes: Sequence[Point], room: Box) -> list[Box]:
    """A box for each name: the closest free one around its point, tried in rings; names in crowds choose first.

    A free box covers no point, no other name and no other name's leading line, and its own line crosses no name.

    Args:
        points: Where the points are, in pixels.
        sizes: Width and height of each name, in pixels.
        room: Within which the boxes must lie.

    Returns:
        One box a name, in order. Where nothing is free, the box right of the point.
    """
    dots = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    placed: dict[int, Box] = {}
    lines: list[Point] = []

    def free(box: Box, point: Point) -> bool:
        others = placed.values()
        return (
            box[0] >= room[0]
            and box[1] >= room[1]
            and box[2] <= room[2]
            and box[3] <= room[3]
            and not any(_meet(box, other) for other in (*others, *dots))
            and not any(_holds(box, dot) for dot in lines)
            and not any(_holds(other, dot) for other in others for dot in _line(box, point))
        )

    for index in sorted(range(len(points)), key=lambda i: (-_crowd(points, i), i)):
        boxes = _candidates(points[index], sizes[index])
        placed[index] = next((box for box in boxes if free(box, points[index])), boxes[0])
        lines += _line(placed[index], points[index])
    return [placed[index] for index in range(len(points))]


def nearest(box: Box, point: Point) -> Point:
    """The point of a box that is nearest to `point`: where a leading line ends."""
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def _line(box: Box, point: Point, steps: int = 24) -> list[Point]:
    """Points along the way from a point to its name, the name's own end left out."""
    x, y = nearest(box, point)
    ways = (step / steps for step in range(steps))
    return [(point[0] + way * (x - point[0]), point[1] + way * (y - point[1])) for way in ways]


def _candidates(point: Point, size: Point) -> list[Box]:
    boxes = []
    for radius, angle in product(RINGS, ANGLES):
        x, y = point[0] + radius * cos(angle), point[1] + radius * sin(angle)
        # The side of the box that faces the point touches the ring.
        left = x - size[0] * (1 - cos(angle)) / 2
        bottom = y - size[1] * (1 - sin(angle)) / 2
        boxes.append((left, bottom, left + size[0], bottom + size[1]))
    return boxes


def _crowd(points: Sequence[Point], index: int) -> int:
    x, y = points[index]
    return sum(hypot(x - other[0], y - other[1]) < 40 for other in points)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _holds(box: Box, point: Point) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]
