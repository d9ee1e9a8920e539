"""A graph run as it stands, to learn what its values look like, and made fit for any number of pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from expunge.errors import OnnxFileError
from expunge.vision.onnx._graph import Graph, Node
from expunge.vision.onnx._operators import call
from expunge.vision.onnx._settings import Settings

OTHERS = "#others"
"""The number of pictures less one: a value that every graph may read. No name in a file is taken for it."""
ASK_SHAPE = frozenset({"Shape", "Size"})


@dataclass(frozen=True, slots=True)
class Trial:
    """What one run showed.

    Attributes:
        asked: Value -> numbers, of every node that asks for a shape.
        shapes: Value -> shape, of all values.
        outputs: Value -> numbers, of the graph's outputs.
    """

    asked: Mapping[str, Tensor]
    shapes: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, Tensor]


@torch.no_grad()
def trial(graph: Graph, pixels: Tensor) -> Trial:
    """Runs the whole graph; values are dropped after their last use.

    Raises:
        OnnxFileError: A node cannot be run.
    """
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    last |= dict.fromkeys((*graph.outputs, *graph.constants, OTHERS), len(graph.nodes))
    values = {**graph.constants, graph.input: pixels, OTHERS: torch.tensor(len(pixels) - 1)}
    asked, shapes = {}, {name: tuple(value.shape) for name, value in values.items()}
    for i, node in enumerate(graph.nodes):
        given = [values[name] if name else None for name in node.inputs]
        results = call(node.op, settings_of(node, graph), given)
        if len(results) < len([name for name in node.outputs if name]):
            raise OnnxFileError(f"the node {node.name or node.op!r} is read for its first output only")
        made = {name: value for name, value in zip(node.outputs, results, strict=False) if name}
        values |= made
        shapes |= {name: tuple(value.shape) for name, value in made.items()}
        asked |= made if node.op in ASK_SHAPE else {}
        for name in {*node.inputs, *made}:
            if last.get(name, -1) <= i:
                values.pop(name, None)
    return Trial(asked, shapes, {name: values[name] for name in graph.outputs})


def settings_of(node: Node, graph: Graph) -> Settings:
    """The settings of a node; a Split is told how many outputs it has."""
    values = {**node.attributes, "outputs": len(node.outputs)} if node.op == "Split" else node.attributes
    return Settings(values, graph.opset, node.name)


def for_any_number(graph: Graph) -> Graph:
    """A graph that takes any number of pictures, made of one that takes one.

    Such a file has the 1 written into shapes. The first side of each constant shape that pictures are brought to is
    multiplied by their number, and what is put beside them (a class token) repeated. Whether that is right is told by
    the comparison with ONNX Runtime.

    Raises:
        OnnxFileError: It takes another fixed number.
    """
    if graph.shape[0] is None:
        return graph
    if graph.shape[0] != 1:
        raise OnnxFileError(
            f"the file takes {graph.shape[0]} pictures at a time; expected any number, or one. Export it with a "
            "dynamic batch"
        )
    constants, nodes = dict(graph.constants), []
    fixed = set(graph.constants)

    def more(name: str, shape: Tensor) -> str:
        """A value for `shape` with the first side times the number of pictures."""
        slope = torch.zeros_like(shape)
        slope[0] = shape[0]
        constants[f"#shape of {name}"], constants[f"#slope of {name}"] = shape, slope
        nodes.append(Node("Mul", "", (f"#slope of {name}", OTHERS), (f"#growth of {name}",), {}))
        nodes.append(Node("Add", "", (f"#shape of {name}", f"#growth of {name}"), (f"#any of {name}",), {}))
        return f"#any of {name}"

    for node in graph.nodes:
        inputs = list(node.inputs)
        if set(inputs) - {""} <= fixed:
            fixed.update(node.outputs)
        elif node.op == "Reshape" and inputs[1] in constants:
            shape = constants[inputs[1]].reshape(-1)
            if len(shape) and shape[0] > 0:
                inputs[1] = more(node.outputs[0], shape)
        elif node.op == "Concat" and node.attributes.get("axis") != 0:
            for i, name in enumerate(inputs):
                beside = constants.get(name)
                if beside is not None and beside.ndim > 1 and len(beside) == 1:
                    wanted = more(f"{node.outputs[0]} {i}", torch.tensor(beside.shape))
                    inputs[i] = f"#all of {node.outputs[0]} {i}"
                    nodes.append(Node("Expand", "", (name, wanted), (inputs[i],), {}))
        nodes.append(replace(node, inputs=tuple(inputs)))
    return replace(graph, nodes=tuple(nodes), constants=constants)
