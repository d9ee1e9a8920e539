"""From an ONNX file to a module: the graph is read, tried, cut into blocks and put together.

Own code, no converter: those that are published (onnx2torch, onnx2pytorch) need torchvision, which this project does
without, and give one flat module in which no block can be found. What classifiers use of ONNX is a table of some
hundred operators, and a graph that is run step by step can be cut anywhere, can be refused in words, and is written
back by its initialisers alone. Nothing of a file is ever run but these operators.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from expunge.errors import HeadError, OnnxFileError
from expunge.vision.onnx._file import OnnxFile
from expunge.vision.onnx._graph import Graph, Node, read_graph
from expunge.vision.onnx._layers import Parameters, Step, apart, make_steps, needed
from expunge.vision.onnx._module import OnnxModule
from expunge.vision.onnx._operators import OPERATORS
from expunge.vision.onnx._pieces import part
from expunge.vision.onnx._trial import Trial, for_any_number, settings_of, trial

_SAME = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Dropout", "Cast"})
"""Operators behind which logits are still what the classifier gave."""
_AFTER = frozenset({"Softmax", "LogSoftmax"})
"""What a file may do to logits at its very end; it is left out here, and stays in the file."""


def build(file: OnnxFile, classes: int, size: tuple[int, int]) -> OnnxModule:
    """Makes a module of a classifier in an ONNX file.

    Args:
        file: The file.
        classes: Number of classes.
        size: Height and width of the pictures that it shall take.

    Raises:
        OnnxFileError: The graph is damaged, or holds what is not read; or the pictures are of another size than its.
        HeadError: No output, or no matrix before it, has one number a class.
    """
    graph = for_any_number(read_graph(file, frozenset(OPERATORS)))
    _check_side(graph, size)
    tries = [trial(graph, _pixels(n, size, channels_last=graph.channels_last)) for n in (1, 2)]
    output = _output(graph, tries[-1], classes)
    logits, after = _before_softmax(graph, output)
    parameters, fixed = Parameters(graph), apart(graph)
    steps = needed(make_steps(graph, fixed, parameters), [logits])
    if graph.input not in {name for step in steps for name in step.inputs}:
        raise OnnxFileError("the logits do not hang on the pictures")
    read = {name for step in steps for name in step.inputs}
    still = [Step(n.op, settings_of(n, graph), n.inputs, n.outputs) for n in graph.nodes if fixed.issuperset(n.outputs)]
    shapes = {name: (tries[0].asked[name], tries[1].asked[name] - tries[0].asked[name]) for name in tries[0].asked}
    still = _without_asking(needed(still, sorted(read & fixed)), read)
    module = OnnxModule(
        file,
        part(steps, graph.input, logits),
        still,
        _constants(graph, [*steps, *still], parameters),
        {name: shapes[name] for name in shapes if name in read or any(name in step.inputs for step in still)},
        size=size,
        channels_last=graph.channels_last,
    )
    names = {id(parameter): name for name, parameter in reversed(list(module.named_parameters()))}
    module.stored = {
        name: (names[id(parameter)], name in parameters.turned)
        for name, parameter in parameters.made.items()
        if id(parameter) in names
    }
    # So that equal weights in another graph have another digest.
    module.register_buffer("graph", torch.tensor(list(file.digest_without(module.stored)), dtype=torch.uint8))
    module.output, module.after = output, after
    module.head_name = _head(module, steps, logits, classes)
    return module.eval()


def _without_asking(steps: Sequence[Step], read: set[str]) -> list[Step]:
    """Steps without those that ask for shapes, which are known, and what only these needed."""
    kept = [step for step in steps if step.op not in ("Shape", "Size")]
    return needed(kept, sorted(read))


def _pixels(n: int, size: tuple[int, int], *, channels_last: bool) -> Tensor:
    pixels = torch.randn(n, 3, *size, generator=torch.Generator().manual_seed(0))
    return pixels.movedim(1, -1) if channels_last else pixels


def _check_side(graph: Graph, size: tuple[int, int]) -> None:
    if any(side is not None and side != wanted for side, wanted in zip(graph.side, size, strict=True)):
        raise OnnxFileError(
            f"the file takes pictures of {graph.side} pixels, and the preprocessing makes them {size}: give the "
            "preprocessing that belongs to the model"
        )


def _output(graph: Graph, seen: Trial, classes: int) -> str:
    """The output that has one number a class for each of two pictures."""
    found = [name for name in graph.outputs if seen.outputs[name].shape == (2, classes)]
    shapes = ", ".join(f"{name!r} {tuple(seen.outputs[name].shape)[1:]}" for name in graph.outputs)
    if not found:
        raise HeadError(
            f"Expected an output with one number a class, {classes} in all; the file gives for each picture {shapes}. "
            "Check the list of classes."
        )
    if len(found) > 1:
        raise OnnxFileError(f"several outputs could be the logits of {classes} classes: {', '.join(map(repr, found))}")
    return found[0]


def _before_softmax(graph: Graph, output: str) -> tuple[str, str]:
    """The value that the file gives out, or hands to a softmax over classes that ends it."""
    node = _maker(graph, output)
    if (
        node is not None
        and node.op in _AFTER
        and node.attributes.get("axis", -1 if graph.opset >= 13 else 1) in (1, -1)
    ):
        return node.inputs[0], node.op
    return output, ""


def _maker(graph: Graph, name: str) -> Node | None:
    return next((node for node in graph.nodes if name in node.outputs), None)


def _constants(graph: Graph, steps: Sequence[Step], parameters: Parameters) -> dict[str, Tensor]:
    """Value -> numbers, of all constants that operators read: parameters where they are finite and of initialisers."""
    found: dict[str, Tensor] = {}
    for name in dict.fromkeys(name for step in steps for name in step.inputs if name in graph.constants):
        value = graph.constants[name]
        weights = value.dtype == torch.float32 and value.ndim > 0 and bool(value.isfinite().all())
        found[name] = parameters.take(name) if weights and name in graph.initializers else value
        if name in parameters.turned:
            raise OnnxFileError(f"the graph uses the initialiser {name!r} both as a layer's matrix and otherwise")
    return found


def _head(module: OnnxModule, steps: Sequence[Step], logits: str, classes: int) -> str:
    """Name of the classifier: the matrix that gives the logits.

    Raises:
        HeadError: Something else gives them, it has no bias, or its numbers are used elsewhere, too.
    """
    makers: Mapping[str, Step] = {name: step for step in steps for name in step.outputs}
    name = logits
    while name in makers and makers[name].op in _SAME and makers[name].layer is None:
        name = makers[name].inputs[0]
    layer = makers[name].layer if name in makers else None
    if not isinstance(layer, nn.Linear) or layer.out_features != classes:
        what = makers[name].op if name in makers else "nothing"
        raise HeadError(
            f"Expected the logits to be what one stored matrix with {classes} rows gives (Gemm or MatMul); here {what} "
            "gives them."
        )
    if layer.bias is None:
        raise HeadError(
            "The classifier in the file has no bias, where forgotten classes are struck. Export it with one: "
            "nn.Linear(…, bias=True), zeros to begin with."
        )
    counts: dict[int, int] = {}
    for _, parameter in module.named_parameters(remove_duplicate=False):
        counts[id(parameter)] = counts.get(id(parameter), 0) + 1
    if counts[id(layer.weight)] > 1 or counts[id(layer.bias)] > 1:
        raise HeadError("The classifier in the file shares its numbers with another layer, which would lose them, too.")
    return next(name for name, part in module.named_modules() if part is layer)
