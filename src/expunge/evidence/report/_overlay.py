"""The geometry of boxes over a picture: shares in, coordinates out. A template draws them.

Lengths are in SVG user units, about as many as a picture has pixels on a wide screen; y grows downwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from expunge.tasks import Fate, FoundBox, ScenePicture

WIDTH, WIDER = 220.0, 320.0
"""Width of a picture; and where three stand side by side, which leaves each more room than two or five do."""

_CHIP, _LETTER, _PADDING = 13.0, 5.8, 6.0
_LONGEST = 16  # letters of a name; the whole one stands in the element's title
_MOST_STATES = 5
_ORDER = (Fate.GHOST, Fate.STAYS, Fate.NAMED, Fate.STRAY, Fate.STILL)

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """One box and its label.

    Attributes:
        fate: What it stands for.
        box: Left, top, width and height.
        chip: The label's background, likewise.
        text: The label: the name, cut short where it is long, and the score.
        title: The whole of it.
    """

    fate: Fate
    box: Rectangle
    chip: Rectangle
    text: str
    title: str


@dataclass(frozen=True, slots=True)
class DrawnState:
    """One picture at one time.

    Attributes:
        state: How many requests are done.
        boxes: From the back to the front.
        said: The boxes in words, for who cannot see them.
    """

    state: int
    boxes: tuple[DrawnBox, ...]
    said: str


@dataclass(frozen=True, slots=True)
class Film:
    """One scene at several times.

    Attributes:
        width: Of its pictures.
        height: Likewise.
        states: The times.
    """

    width: float
    height: float
    states: tuple[DrawnState, ...]


def drawn(picture: ScenePicture) -> Film:
    """The times at which a scene is shown: all of few, or the first, the last, and those that take an object in it."""
    times = shown_states(picture)
    width = WIDER if len(times) == 3 else WIDTH
    size = (width, round(width * picture.height / picture.width, 1))
    states = (DrawnState(at, _placed(picture.states[at], size), _said(picture.states[at])) for at in times)
    return Film(*size, tuple(states))


def shown_states(picture: ScenePicture) -> tuple[int, ...]:
    """Indices of a scene's states that are shown, 0 being the original detector."""
    last = len(picture.states) - 1
    if last < _MOST_STATES:
        return tuple(range(last + 1))
    turns = sorted({request for _, request in picture.objects if request is not None} - {last})
    return (0, *turns[: _MOST_STATES - 2], last)


def _placed(boxes: Iterable[FoundBox], size: tuple[float, float]) -> tuple[DrawnBox, ...]:
    """Boxes from the back to the front; each label at the first place where it hides no other one."""
    taken: list[Rectangle] = []
    found = []
    for one in sorted(boxes, key=lambda box: (-_ORDER.index(box.fate), -box.score)):
        box, text = _scaled(one, size), _label(one)
        chip = _free_place(box, _LETTER * len(text) + _PADDING, size, taken)
        taken.append(chip)
        found.append(DrawnBox(one.fate, box, chip, text, f"{one.name}, score {one.score:.2f}"))
    return tuple(reversed(found))


def _scaled(one: FoundBox, size: tuple[float, float]) -> Rectangle:
    left, right = (round(size[0] * min(max(x, 0.0), 1.0), 1) for x in (one.corners[0], one.corners[2]))
    top, bottom = (round(size[1] * min(max(y, 0.0), 1.0), 1) for y in (one.corners[1], one.corners[3]))
    return left, top, round(max(right - left, 0.0), 1), round(max(bottom - top, 0.0), 1)


def _label(one: FoundBox) -> str:
    name = one.name if len(one.name) <= _LONGEST else one.name[: _LONGEST - 1] + "…"
    score = f"{one.score:.2f}".removeprefix("0")
    return name if one.fate is Fate.GHOST else f"{name} {score}"


def _free_place(box: Rectangle, width: float, size: tuple[float, float], taken: Sequence[Rectangle]) -> Rectangle:
    left, top, across, down = box
    right, bottom = left + across, top + down
    places = [
        (left, top - _CHIP),
        (left, top),
        (left, bottom - _CHIP),
        (right - width, top - _CHIP),
        (right - width, bottom - _CHIP),
        (left, bottom),
        (right - width, top),
        (left, top + _CHIP),
        (left, (top + bottom) / 2),
    ]
    chips = [_inside(x, y, width, size) for x, y in places]
    return min(chips, key=lambda chip: sum(_shared(chip, other) for other in taken))


def _inside(x: float, y: float, width: float, size: tuple[float, float]) -> Rectangle:
    """A label moved into the picture."""
    return (
        round(min(max(x, 0.0), max(size[0] - width, 0.0)), 1),
        round(min(max(y, 0.0), max(size[1] - _CHIP, 0.0)), 1),
        round(width, 1),
        _CHIP,
    )


def _shared(a: Rectangle, b: Rectangle) -> float:
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(across, 0.0) * max(down, 0.0)


_SAYS = {
    Fate.GHOST: "gone: {}",
    Fate.STAYS: "{}",
    Fate.NAMED: "{}",
    Fate.STRAY: "{} where a forgotten class was",
    Fate.STILL: "{}, though forgotten",
}


def _said(boxes: Sequence[FoundBox]) -> str:
    return "; ".join(_SAYS[box.fate].format(box.name) for box in boxes) or "nothing found"
