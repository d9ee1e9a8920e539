"""The nodes of a graph as steps. What holds a stored matrix or kernel is a module, so that it can be edited.

A `Conv` of two dimensions becomes `nn.Conv2d`; a `Gemm`, or a `MatMul` with the `Add` of a bias after it, `nn.Linear`,
whichever way round the file keeps the matrix. Everything else stays an operator.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from expunge.vision.onnx._graph import Graph, Node
from expunge.vision.onnx._settings import Settings
from expunge.vision.onnx._trial import settings_of

_SUFFIX = re.compile(r"[./_](weight|kernel|kernel:0|w|bias|bias:0|b)$", re.IGNORECASE)
_NO_NAME = re.compile(r"^(onnx::|val_|const|\d|t\d+$|_v_|[A-Za-z]{1,3}_?\d+$)")
_SHUFFLES = frozenset({"Identity", "Transpose"})


@dataclass(frozen=True, eq=False)
class Step:
    """One thing to do.

    Attributes:
        op: The operator, also where a module does it.
        settings: The node's settings.
        inputs: Names of values; empty where one is left out. Of a module: what goes into it.
        outputs: Names of values.
        layer: The module that does it, if one does.
        label: What the module is called.
    """

    op: str
    settings: Settings
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layer: nn.Module | None = None
    label: str = ""


@dataclass(frozen=True)
class Parameters:
    """Initialisers as parameters: each is one, however many nodes read it.

    Attributes:
        graph: The graph.
        made: Initialiser -> its parameter.
        turned: Initialisers whose matrix the file keeps the other way round.
    """

    graph: Graph
    made: dict[str, nn.Parameter] = field(default_factory=dict)
    turned: set[str] = field(default_factory=set)

    def take(self, name: str, *, turn: bool = False) -> nn.Parameter:
        """The parameter of an initialiser, turned round where the file keeps it so."""
        if name not in self.made:
            values = self.graph.constants[name]
            self.made[name] = nn.Parameter(values.T.contiguous() if turn else values, requires_grad=False)
            self.turned.update([name] if turn else [])
        return self.made[name]


def make_steps(graph: Graph, fixed: frozenset[str], parameters: Parameters) -> list[Step]:
    """The nodes that work on pictures, in their order.

    Args:
        graph: The graph.
        fixed: Values that do not hang on what the pictures show.
        parameters: Takes in the initialisers of the modules that are made.
    """
    uses = Counter(name for node in graph.nodes for name in node.inputs) + Counter(graph.outputs)
    finder = _Finder(graph, uses)
    nodes = [node for node in graph.nodes if not fixed.issuperset(node.outputs)]
    readers = {name: node for node in nodes for name in node.inputs}
    steps, later = [], {}
    for node in nodes:
        first = node.outputs[0]
        step = later.pop(first) if first in later else _step(node, finder, readers, parameters)
        if step.outputs[0] == first:
            steps.append(step)
        else:  # it takes the place of the node that adds its bias
            later[step.outputs[0]] = step
    return steps


@dataclass(frozen=True)
class _Finder:
    """Finds the initialiser behind an input."""

    graph: Graph
    uses: Mapping[str, int]

    def matrix(self, name: str) -> tuple[str, bool] | None:
        """The initialiser that is a matrix, and whether it reaches the input turned round."""
        turned = False
        makers = {output: node for node in self.graph.nodes for output in node.outputs if node.op in _SHUFFLES}
        while name in makers and self.uses[name] == 1:
            turned ^= makers[name].op == "Transpose"
            name = makers[name].inputs[0]
        return (name, turned) if self.stored(name, 2) else None

    def plain(self, name: str) -> str:
        """The value behind nodes that only pass it on, as exporters put them where two layers have equal numbers."""
        makers = {output: node for node in self.graph.nodes for output in node.outputs if node.op == "Identity"}
        while name in makers:
            name = makers[name].inputs[0]
        return name

    def stored(self, name: str, ndim: int) -> bool:
        """Whether a value is an initialiser of float32 with so many dimensions."""
        if name not in self.graph.initializers:
            return False
        values = self.graph.constants[name]
        return values.dtype == torch.float32 and values.ndim == ndim and values.numel() > 0


def _step(node: Node, finder: _Finder, readers: Mapping[str, Node], parameters: Parameters) -> Step:
    settings, made = settings_of(node, finder.graph), None
    if node.op == "Conv":
        made = _convolution(node, settings, finder, parameters)
    elif node.op in ("Gemm", "MatMul"):
        made = _linear(node, settings, finder, readers, parameters)
    return made or Step(node.op, settings, node.inputs, node.outputs)


def _convolution(node: Node, settings: Settings, finder: _Finder, parameters: Parameters) -> Step | None:
    """The module of a convolution in two dimensions whose numbers are stored."""
    name, bias = finder.plain(node.inputs[1]), finder.plain(node.inputs[2] if len(node.inputs) > 2 else "")
    if not finder.stored(name, 4) or (bias and not finder.stored(bias, 1)):
        return None
    outer, inner, *kernel = finder.graph.constants[name].shape
    pads = settings.get("pads", [0, 0, 0, 0])
    even = settings.get("auto_pad", "NOTSET") == "NOTSET" and pads[:2] == pads[2:]
    layer = nn.Conv2d(
        inner * settings.get("group", 1),
        outer,
        (kernel[0], kernel[1]),
        stride=tuple(settings.get("strides", [1, 1])),
        padding=tuple(pads[:2]) if even else 0,
        dilation=tuple(settings.get("dilations", [1, 1])),
        groups=settings.get("group", 1),
        bias=bool(bias),
        device="meta",
    )
    layer.weight = parameters.take(name)
    if bias:
        layer.bias = parameters.take(bias)
    op = "Conv" if even else "PaddedConv"
    return Step(op, settings, node.inputs[:1], node.outputs, layer, _label(node, name, bias))


def _linear(
    node: Node, settings: Settings, finder: _Finder, readers: Mapping[str, Node], parameters: Parameters
) -> Step | None:
    """The module of a product with a stored matrix; None where it is none, or where it is kept for another node."""
    found = finder.matrix(node.inputs[1])
    bias, outputs = finder.plain(node.inputs[2] if len(node.inputs) > 2 else ""), node.outputs
    told = settings.get if node.op == "Gemm" else lambda name, default: default
    odd = told("transA", 0) or told("alpha", 1.0) != 1.0 or told("beta", 1.0) != 1.0
    if found is None or odd or (bias and not finder.stored(bias, 1)):
        return None
    name, turned = found
    turn = turned == bool(told("transB", 0))  # nn.Linear keeps (out, in), as transB = 1 does
    if name in parameters.made and turn != (name in parameters.turned):
        return None
    weight = parameters.take(name, turn=turn)
    if node.op == "MatMul":
        bias, outputs = _bias_after(node, len(weight), readers, finder)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bool(bias), device="meta")
    layer.weight = weight
    if bias:
        layer.bias = parameters.take(bias)
    return Step(node.op, settings, node.inputs[:1], outputs, layer, _label(node, name, bias))


def _bias_after(node: Node, width: int, readers: Mapping[str, Node], finder: _Finder) -> tuple[str, tuple[str, ...]]:
    """The stored bias that is added to a product and to nothing else, and what the sum is called; else none."""
    product, reader = node.outputs[0], readers.get(node.outputs[0])
    if finder.uses[product] != 1 or reader is None or reader.op != "Add":
        return "", node.outputs
    bias = finder.plain(next(name for name in reader.inputs if name != product))
    fits = finder.stored(bias, 1) and len(finder.graph.constants[bias]) == width
    return (bias, reader.outputs) if fits else ("", node.outputs)


def _label(node: Node, weight: str, bias: str) -> str:
    """A name for a module: its weight's or bias's without the last part, or the node's where they say nothing."""
    told = [_SUFFIX.sub("", name) for name in (weight, bias) if name and not _NO_NAME.match(name)]
    return identifier(told[0] if told else node.name.removesuffix(f"/{node.op}") or weight)


def identifier(name: str) -> str:
    """A name as Python and torch take it."""
    return re.sub(r"\W+", "_", name).strip("_") or "value"


def unique(names: Sequence[str], taken: set[str]) -> Iterator[str]:
    """Each name, with a number behind it where it is taken."""
    for name in names:
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        yield free


def apart(graph: Graph) -> frozenset[str]:
    """Values that do not hang on what pictures show: constants, shapes, and what is made of these alone."""
    fixed = {*graph.constants, "#others", ""}
    for node in graph.nodes:
        if node.op in ("Shape", "Size") or fixed.issuperset(node.inputs):
            fixed.update(node.outputs)
    return frozenset(fixed)


def needed(steps: Sequence[Step], outputs: Sequence[str]) -> list[Step]:
    """The steps that have a part in some values."""
    wanted, kept = set(outputs), []
    for step in reversed(steps):
        if wanted.intersection(step.outputs):
            wanted.update(step.inputs)
            kept.append(step)
    return kept[::-1]
