"""The graph of an ONNX file as plain values: what has a part in its outputs, and nothing that is not understood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from expunge.errors import OnnxFileError, QuantizedWeightsError
from expunge.vision.onnx._file import OnnxFile

OLDEST = 9
"""The oldest operator set that is read."""
MOST_NODES = 50_000
CONTROL_FLOW = frozenset({"If", "Loop", "Scan"})
QUANTISED = ("QLinear", "Quantize", "Dequantize", "DynamicQuantize", "MatMulInteger", "ConvInteger")


@dataclass(frozen=True, slots=True)
class Node:
    """One call of an operator.

    Attributes:
        op: Its name.
        name: What the file calls it; may be empty.
        inputs: Names of values; empty where one is left out.
        outputs: Names of values; empty where one is left out.
        attributes: Its settings: numbers, texts, lists and tensors.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph from pictures to numbers.

    Attributes:
        nodes: Those that have a part in the outputs, each after what it needs.
        input: Name of the pictures.
        shape: (n, ch, h, w) or (n, h, w, ch) as the file says it; None where it is free.
        outputs: Names of the outputs.
        constants: Value -> numbers, of initialisers and of nodes that are constants.
        initializers: Names of the initialisers among them, which can be replaced.
        opset: Version of the operator set.
    """

    nodes: tuple[Node, ...]
    input: str
    shape: tuple[int | None, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Tensor]
    initializers: frozenset[str]
    opset: int

    @property
    def channels_last(self) -> bool:
        """Whether pictures come as (n, h, w, 3)."""
        return self.shape[1] != 3 and self.shape[3] == 3

    @property
    def side(self) -> tuple[int | None, int | None]:
        """Height and width of the pictures, where the file says them."""
        first = 1 if self.channels_last else 2
        return self.shape[first], self.shape[first + 1]


def read_graph(file: OnnxFile, known: frozenset[str]) -> Graph:
    """Reads the graph.

    Args:
        file: The file.
        known: Operators that are understood.

    Raises:
        OnnxFileError: The graph is damaged, or holds what is not understood.
        QuantizedWeightsError: It is of a quantised model.
    """
    proto = file.proto
    _check_names(proto)
    opset = _opset(proto)
    if len(proto.graph.node) > MOST_NODES:
        raise OnnxFileError(f"the graph has {len(proto.graph.node):,} nodes; at most {MOST_NODES:,} are read")
    constants = {tensor.name: _tensor(file, tensor) for tensor in proto.graph.initializer}
    initializers = frozenset(constants)
    if proto.graph.sparse_initializer:
        raise OnnxFileError("the file keeps sparse initialisers; expected dense ones")
    name, shape = _input(proto, initializers)
    outputs = tuple(value.name for value in proto.graph.output)
    nodes = []
    for node in _needed(proto.graph.node, outputs):
        _refuse(node, known)
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(file, node)
        else:
            attributes = {entry.name: _attribute(file, node, entry) for entry in node.attribute}
            nodes.append(Node(node.op_type, node.name, tuple(node.input), tuple(node.output), attributes))
    _check_order(nodes, {name, *constants}, outputs)
    return Graph(tuple(nodes), name, shape, outputs, constants, initializers, opset)


def _check_names(proto: Any) -> None:
    """Names that are no text come out of protobuf as bytes."""
    named = (*proto.graph.initializer, *proto.graph.input, *proto.graph.output, *proto.graph.node)
    names = [one.name for one in named]
    names += [name for one in proto.graph.node for name in (one.op_type, one.domain, *one.input, *one.output)]
    names += [entry.name for one in proto.graph.node for entry in one.attribute]
    if any(not isinstance(name, str) for name in names):
        raise OnnxFileError("the graph is damaged: it has a name that is no text")


def _opset(proto: Any) -> int:
    if proto.functions:
        raise OnnxFileError(
            "the file defines functions of its own; write them out first: onnx.inliner.inline_local_functions"
        )
    versions = [entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions or versions[0] < OLDEST:
        raise OnnxFileError(
            f"the file is of operator set {versions[0] if versions else 'unknown'}; expected {OLDEST} or later. "
            "Convert it: onnx.version_converter.convert_version"
        )
    return versions[0]


def _input(proto: Any, initializers: frozenset[str]) -> tuple[str, tuple[int | None, ...]]:
    """The one input that is no initialiser: float32 pictures of three channels."""
    from onnx import TensorProto

    found = [value for value in proto.graph.input if value.name not in initializers]
    if len(found) != 1:
        names = ", ".join(repr(value.name) for value in found) or "none"
        raise OnnxFileError(f"expected one input, the pictures; the file has {names}")
    kind = found[0].type.tensor_type
    if kind.elem_type != TensorProto.FLOAT:
        what = "half precision" if kind.elem_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16) else "another type"
        raise OnnxFileError(f"expected pictures in float32; the input {found[0].name!r} is of {what}")
    shape = tuple(side.dim_value if side.HasField("dim_value") else None for side in kind.shape.dim)
    if (
        len(shape) != 4
        or 3 not in (shape[1] or 3, shape[3] or 3)
        or any(side is not None and side < 1 for side in shape)
    ):
        raise OnnxFileError(f"expected pictures (n, 3, h, w) or (n, h, w, 3); the input {found[0].name!r} is {shape}")
    return found[0].name, shape


def _needed(nodes: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """The nodes that have a part in some values, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _refuse(node: Any, known: frozenset[str]) -> None:
    where = f"the operator {node.op_type} (node {node.name or node.output[0]!r})"
    if node.op_type in CONTROL_FLOW:
        raise OnnxFileError(
            f"the graph branches or loops: {where}. Export the model in eval mode for a fixed size of pictures, or "
            "simplify the file, so that no control flow is left"
        )
    if node.op_type.startswith(QUANTISED):
        raise QuantizedWeightsError(
            f"the model is quantised: {where}. Edit the model as it was before, and quantise the edited file anew"
        )
    if node.domain not in ("", "ai.onnx"):
        raise OnnxFileError(f"{where} is a custom one, of {node.domain!r}; expected operators of ONNX itself")
    if node.op_type != "Constant" and node.op_type not in known:
        raise OnnxFileError(f"{where} is not one that is read here; export the model without it")


def _check_order(nodes: Sequence[Node], there: set[str], outputs: Sequence[str]) -> None:
    for node in nodes:
        missing = [name for name in node.inputs if name and name not in there]
        again = [name for name in node.outputs if name and name in there]
        if missing or again:
            problem = f"uses {missing[0]!r} before it is there" if missing else f"gives {again[0]!r} a second time"
            raise OnnxFileError(f"the graph is damaged: the node {node.name or node.op!r} {problem}")
        there.update(node.outputs)
    absent = [name for name in outputs if name not in there]
    if absent or not outputs:
        raise OnnxFileError(f"the graph is damaged: nothing gives its output {absent[0] if absent else ''!r}")


def _constant(file: OnnxFile, node: Any) -> Tensor:
    """The value of a node that is a constant."""
    from onnx import helper

    if len(node.attribute) != 1 or len(node.output) != 1:
        raise OnnxFileError(f"the constant {list(node.output)} is damaged")
    (entry,) = node.attribute
    value = helper.get_attribute_value(entry)
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if entry.name in kinds:
        return torch.from_numpy(np.array(value, kinds[entry.name]))
    if entry.name != "value":
        raise OnnxFileError(f"the constant {node.output[0]!r} holds {entry.name}; expected numbers")
    return _tensor(file, value)


def _attribute(file: OnnxFile, node: Any, entry: Any) -> Any:
    from onnx import AttributeProto, helper

    try:
        value = helper.get_attribute_value(entry)
    except ValueError as error:
        raise OnnxFileError(f"the node {node.name!r} has a damaged setting {entry.name!r}") from error
    if entry.type == AttributeProto.TENSOR:
        return _tensor(file, value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if not isinstance(value, int | float | str) and entry.type not in (AttributeProto.INTS, AttributeProto.FLOATS):
        raise OnnxFileError(f"the node {node.name!r} has a setting {entry.name!r} of a kind that is not read")
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _tensor(file: OnnxFile, tensor: Any) -> Tensor:
    """A tensor of its own memory, float64 brought to float32 where nothing is lost but digits."""
    if not hasattr(tensor, "dims"):
        raise OnnxFileError("the graph is damaged: expected a tensor")
    return torch.from_numpy(np.array(file.array(tensor), order="C"))
