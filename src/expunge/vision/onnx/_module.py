"""A graph as a module of torch: stem, blocks and tail, each from one value to the next."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.errors import OnnxFileError
from expunge.vision.onnx._file import OnnxFile
from expunge.vision.onnx._layers import Step, identifier, unique
from expunge.vision.onnx._network import padded, pads_of
from expunge.vision.onnx._operators import call
from expunge.vision.onnx._pieces import Parts, Piece
from expunge.vision.onnx._trial import ASK_SHAPE, OTHERS


class Segment(nn.Module):
    """Some steps of a graph. Its modules, and the numbers that it alone reads, are its children.

    Attributes:
        exit: Name of the value that it gives.
    """

    def __init__(self, piece: Piece, constants: Mapping[str, Tensor]) -> None:
        """Takes the steps of a piece, and the constants among their inputs."""
        super().__init__()
        self.exit = piece.exit
        self._entry = piece.entry
        taken = set(dir(self))
        layers = [step for step in piece.steps if step.layer is not None]
        labels = dict(zip(map(id, layers), unique([step.label for step in layers], taken), strict=True))
        self._steps = tuple((step, labels.get(id(step), "")) for step in piece.steps)
        for step, label in self._steps:
            if label:
                self.add_module(label, step.layer)
        names = list(constants)
        self._constants = dict(zip(names, unique([identifier(name) for name in names], taken), strict=True))
        for name, attribute in self._constants.items():
            value = constants[name]
            if isinstance(value, nn.Parameter):
                self.register_parameter(attribute, value)
            else:
                self.register_buffer(attribute, value)

    def forward(self, hidden: Tensor, known: Mapping[str, Tensor]) -> Tensor:
        """From the value that it takes to the one that it gives.

        Args:
            hidden: The value.
            known: All values that do not hang on what the pictures show.
        """
        return self.run(hidden, known)[self.exit]

    def run(self, hidden: Tensor, known: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The values that it takes, holds and makes, by name."""
        values = {name: getattr(self, attribute) for name, attribute in self._constants.items()}
        values[self._entry] = hidden
        for step, label in self._steps:
            inputs = [values[name] if name in values else known[name] if name else None for name in step.inputs]
            if label:
                values[step.outputs[0]] = self._layer(step, label, inputs[0])
            else:
                values.update(zip(step.outputs, call(step.op, step.settings, inputs), strict=False))
        return values

    def _layer(self, step: Step, label: str, x: Tensor | None) -> Tensor:
        layer = self.get_submodule(label)
        if step.op == "PaddedConv":
            assert x is not None
            x = padded(x, pads_of(step.settings, x, layer.get_parameter("weight").shape[2:]))
        return layer(x)


class OnnxBlock(Segment):
    """A segment that ends in a sum with what goes around its layers, so that blocks are told from other segments."""


class OnnxModule(nn.Module):
    """A classifier read from an ONNX file: pictures in, logits out.

    Attributes:
        file: The file that it was read from.
        stored: Initialiser -> name of the parameter that it is, and whether the file keeps it turned round.
        stem: Segments before the blocks, each from one value to the next.
        blocks: The blocks, lowest first; see `expunge.vision.onnx._pieces`.
        tail: Segments after them; all where there are no blocks.
        common: Numbers and steps that do not hang on what pictures show, and that all parts may read.
        input_name: Name of the pictures in the file.
        channels_last: Whether the file takes them as (n, h, w, 3).
        size: Height and width of the pictures.
        output: Name of the file's output of which the logits are.
        after: What the file does to them still: Softmax, LogSoftmax, or nothing.
        head_name: Name of the classifier.
        graph: SHA-256 of the file without the numbers of `stored`.
    """

    stored: Mapping[str, tuple[str, bool]]
    graph: Tensor
    output: str
    after: str
    head_name: str

    def __init__(
        self,
        file: OnnxFile,
        parts: Parts,
        fixed: Sequence[Step],
        constants: Mapping[str, Tensor],
        shapes: Mapping[str, tuple[Tensor, Tensor]],
        *,
        size: tuple[int, int],
        channels_last: bool,
    ) -> None:
        """Puts the parts together.

        Args:
            file: Where they come from.
            parts: The parts.
            fixed: Steps that do not hang on what pictures show.
            constants: Value -> numbers, a parameter where they can be written back.
            shapes: Value that a node says of a shape -> what it is for one picture, and what each further one adds.
            size: Height and width of the pictures.
            channels_last: Whether the graph takes (n, h, w, 3).
        """
        super().__init__()
        self.file, self.size, self.channels_last = file, size, channels_last
        pieces = [*parts.stem, *parts.blocks, *parts.tail]
        read = [{name for step in piece.steps for name in step.inputs if name in constants} for piece in pieces]
        readers = Counter(name for names in (*read, {name for step in fixed for name in step.inputs}) for name in names)
        shared = {name for name in constants if readers[name] > 1 or not any(name in names for names in read)}

        kinds = [Segment] * len(parts.stem) + [OnnxBlock] * len(parts.blocks) + [Segment] * len(parts.tail)
        own = [{name: constants[name] for name in sorted(names - shared)} for names in read]
        made = [kind(piece, names) for kind, piece, names in zip(kinds, pieces, own, strict=True)]
        above = len(parts.stem) + len(parts.blocks)
        self.input_name = pieces[0].entry
        self.stem, self.tail = nn.ModuleList(made[: len(parts.stem)]), nn.ModuleList(made[above:])
        self.blocks = nn.ModuleList(made[len(parts.stem) : above])
        common = Piece(tuple(step for step in fixed if step.op not in ASK_SHAPE), OTHERS, OTHERS)
        self.common = Segment(common, {name: constants[name] for name in sorted(shared)})
        self._shapes = {name: (first.tolist(), more.tolist()) for name, (first, more) in shapes.items()}

    def forward(self, pixel_values: Float[Tensor, "n ch h w"]) -> Float[Tensor, "n c"]:
        """The logits.

        Raises:
            OnnxFileError: The pictures are not of the size that the graph was read for.
        """
        if tuple(pixel_values.shape[2:]) != self.size:
            raise OnnxFileError(f"expected pictures of {self.size} pixels; got {tuple(pixel_values.shape[2:])}")
        known = self._known(pixel_values)
        hidden = pixel_values.movedim(1, -1) if self.channels_last else pixel_values
        for segment in (*self.stem, *self.blocks, *self.tail):
            hidden = segment(hidden, known)
        return hidden

    def changed(self) -> dict[str, np.ndarray]:
        """Initialiser -> its numbers now, of all that differ from the file's in a bit."""
        before = {tensor.name: tensor for tensor in self.file.proto.graph.initializer}
        found = {}
        for name, (parameter, turned) in self.stored.items():
            value = self.get_parameter(parameter).detach().cpu()
            now = np.ascontiguousarray((value.T if turned else value).numpy())
            if now.tobytes() != np.ascontiguousarray(self.file.array(before[name])).tobytes():
                found[name] = now
        return found

    def _known(self, pixels: Tensor) -> dict[str, Tensor]:
        others, device = len(pixels) - 1, pixels.device
        known = {OTHERS: torch.tensor(others, device=device)}
        for name, (first, more) in self._shapes.items():
            known[name] = torch.tensor(_grown(first, more, others), dtype=torch.int64, device=device)
        return {**known, **self.common.run(known[OTHERS], known)}


def _grown(first: object, more: object, others: int) -> object:
    """A shape, or one side of it, for so many further pictures."""
    if isinstance(first, list) and isinstance(more, list):
        return [a + b * others for a, b in zip(first, more, strict=True)]
    assert isinstance(first, int)
    assert isinstance(more, int)
    return first + more * others
