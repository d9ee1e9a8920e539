"""A graph cut where one value carries everything: blocks found in the graph itself, whatever its nodes are called.

Names cannot be relied on: each exporter has its own, and optimisers drop them. But every path from the pictures to the
logits passes through the residual stream, so the stream shows as the values that alone are alive at their place: in
any order of the nodes in which each comes after what it needs, what comes before such a value is needed later for
nothing else. Between two of them lies a piece. A piece that ends in a sum of two of its values has a residual
connection around it, and writes to the stream.

Blocks end with such a sum: in a Transformer with that of each feed-forward network, so that the attention before it is
in the block; else with that of every piece that holds layers, or, between such pieces, with a convolution whose output
goes into the next layer as it is: so an inverted residual without a shortcut is a block, too. What follows the sum, an
activation or a norm, begins the next block, so that what a block returns is the stream itself and the gain of what is
written there is exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from expunge.vision.blocks import find_ffns
from expunge.vision.onnx._layers import Step


@dataclass(frozen=True, slots=True)
class Piece:
    """Steps that take one value and give one.

    Attributes:
        steps: The steps.
        entry: Name of the value that they take.
        exit: Name of the value that they give.
    """

    steps: tuple[Step, ...]
    entry: str
    exit: str

    @property
    def layers(self) -> dict[str, nn.Module]:
        """The modules, in their order."""
        return {str(i): step.layer for i, step in enumerate(self.steps) if step.layer is not None}

    @property
    def residual(self) -> bool:
        """Whether it adds what its layers make to what goes around them."""
        last = self.steps[-1]
        made = {self.entry, *(name for step in self.steps for name in step.outputs)}
        return last.op in ("Add", "Sum") and len(made.intersection(last.inputs)) == 2 and bool(self.layers)


@dataclass(frozen=True, slots=True)
class Parts:
    """A graph in pieces.

    Attributes:
        stem: From the pictures to the first block.
        blocks: From the lowest up; none where nothing repeats.
        tail: From the last block to the logits.
    """

    stem: tuple[Piece, ...]
    blocks: tuple[Piece, ...]
    tail: tuple[Piece, ...]


def part(steps: Sequence[Step], entry: str, exit: str) -> Parts:
    """Cuts a graph into stem, blocks and tail; all of it is tail where nothing repeats.

    Args:
        steps: All steps, each after what it needs, and each needed for `exit`.
        entry: Name of the pictures.
        exit: Name of the logits.
    """
    pieces = cut(steps, entry, exit)
    ends = [i for i, piece in enumerate(pieces) if piece.residual and find_ffns(piece.layers)]
    start = _attention_before(pieces, ends[0]) if ends else 0
    if len(ends) < 2:
        ends = [i for i, piece in enumerate(pieces) if piece.residual]
        start = ends[0] if ends else 0
        plain = [i for i in range(len(pieces) - 1) if ends and _writes_plainly(pieces[i], pieces[i + 1])]
        ends = sorted({*ends, *plain})
        if plain and ends[0] == plain[0]:  # where the block that ends here begins, nothing tells
            start, ends = ends[0] + 1, ends[1:]
    if len(ends) < 2:
        return Parts((), (), tuple(pieces))
    begins = [start, *(end + 1 for end in ends[:-1])]
    blocks = tuple(join(pieces[begin : end + 1]) for begin, end in zip(begins, ends, strict=True))
    return Parts(tuple(pieces[:start]), blocks, tuple(pieces[ends[-1] + 1 :]))


def cut(steps: Sequence[Step], entry: str, exit: str) -> list[Piece]:
    """The pieces, each from one value that alone is alive to the next."""
    last: Mapping[str, int] = {name: i for i, step in enumerate(steps) for name in step.inputs} | {exit: len(steps)}
    found, alive, begun = [], {entry}, 0
    for i, step in enumerate(steps):
        alive |= {name for name in step.outputs if name in last}
        alive = {name for name in alive if last.get(name, -1) > i}
        if len(alive) == 1:
            (value,) = alive
            found.append(Piece(tuple(steps[begun : i + 1]), entry, value))
            entry, begun = value, i + 1
    return found


def join(pieces: Sequence[Piece]) -> Piece:
    """Pieces in a row as one."""
    return Piece(tuple(step for piece in pieces for step in piece.steps), pieces[0].entry, pieces[-1].exit)


def _writes_plainly(piece: Piece, following: Piece) -> bool:
    """Whether a piece is a convolution that nothing bends before the next layer: the last of a block without a sum."""
    convolution = piece.steps[-1].layer
    plain = len(piece.steps) == 1 and isinstance(convolution, nn.Conv2d) and convolution.groups == 1
    first = following.steps[0]
    return plain and (following.residual or first.layer is not None or first.op == "Pad")


def _attention_before(pieces: Sequence[Piece], end: int) -> int:
    """Where the first block begins: with the residual piece next below, if no layers lie between."""
    for i in range(end - 1, -1, -1):
        if pieces[i].residual:
            return i
        if pieces[i].layers:
            break
    return end
