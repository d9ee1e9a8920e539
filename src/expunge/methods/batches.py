"""Which images go into which step."""

from collections.abc import Iterator

import torch

from expunge.errors import MethodError


def shuffled_batches(n: int, size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Endless batches over `range(n)`, reshuffled after each pass; the last batch of a pass may be smaller.

    Raises:
        MethodError: `n` is 0: there would be nothing to train on.
    """
    if n < 1:
        raise MethodError("there is no image to train on: give at least one of what is forgotten and of what stays")
    while True:
        order = torch.randperm(n, generator=generator).tolist()
        for start in range(0, n, size):
            yield order[start : start + size]


def paired_batches(retain: int, forget: int, size: int, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Endless pairs of one retain batch and one forget batch, each kind shuffled by its own generator."""
    first = shuffled_batches(retain, size, torch.Generator().manual_seed(seed))
    second = shuffled_batches(forget, size, torch.Generator().manual_seed(seed + 1))
    return zip(first, second, strict=False)
