"""Stratified draws: which images of a class a seed takes first, and how many make a share."""

from decimal import ROUND_HALF_UP, Decimal
from hashlib import sha256

from expunge.data.images import Images


def draw_orders(images: Images, seed: int) -> tuple[tuple[int, ...], ...]:
    """For each class the positions of its images, in the order in which `seed` draws them.

    An image's turn follows from a hash of the seed and its own name alone. So it is the same on every
    machine, whatever the other classes are, and a larger draw contains every smaller one.
    """

    def turn(position: int) -> bytes:
        return sha256(f"{seed}/{images.samples[position].name}".encode(errors="surrogatepass")).digest()

    positions: list[list[int]] = [[] for _ in images.classes]
    for position, label in enumerate(images.labels):
        positions[label].append(position)
    return tuple(tuple(sorted(of_class, key=turn)) for of_class in positions)


def share(fraction: float, n: int) -> int:
    """`fraction` of `n`, round half up, in decimals: 0.145 of 100 is 15 although the float is just below."""
    return int((Decimal(repr(float(fraction))) * n).to_integral_value(ROUND_HALF_UP))
