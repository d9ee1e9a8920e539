"""Every operator in the table against ONNX Runtime, an implementation that shares no line with ours."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from expunge.errors import OnnxFileError
from expunge.vision.onnx._operators import OPERATORS, call
from expunge.vision.onnx._settings import Settings

GENERATOR = np.random.default_rng(0)


def f(*shape: int) -> np.ndarray:
    return GENERATOR.normal(0.1, 1.0, shape).astype(np.float32)


def i(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def b(*shape: int) -> np.ndarray:
    return GENERATOR.normal(size=shape) > 0


@dataclass(frozen=True)
class Case:
    op: str
    inputs: list[Any]
    settings: dict[str, Any] = field(default_factory=dict)
    opset: int = 20
    outputs: int = 1


def plain(*ops: str, opset: int = 20) -> list[Case]:
    return [Case(op, [f(2, 3, 4)], opset=opset) for op in ops]


def positive(*ops: str) -> list[Case]:
    return [Case(op, [np.abs(f(2, 3)) + 0.1]) for op in ops]


def pairs(*ops: str) -> list[Case]:
    return [Case(op, [f(2, 1, 4), f(3, 1)]) for op in ops]


CASES = [
    *plain("Identity", "Relu", "LeakyRelu", "Elu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish", "Mish", "Gelu"),
    *plain("Softplus", "Softsign", "Tanh", "Erf", "Exp", "Neg", "Abs", "Sign", "Floor", "Ceil", "Round", "Sin", "Cos"),
    *positive("Log", "Sqrt", "Reciprocal"),
    *pairs("Add", "Sub", "Mul", "Div", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Min", "Max", "Sum", "Mean"),
    Case("Swish", [f(2, 3)], {"alpha": 1.5}, opset=24),
    Case("Gelu", [f(2, 3)], {"approximate": "tanh"}),
    Case("LeakyRelu", [f(2, 3)], {"alpha": 0.3}),
    Case("HardSigmoid", [f(2, 3)], {"alpha": 0.3, "beta": 0.4}),
    Case("PRelu", [f(2, 3, 4), f(3, 1)]),
    Case("Dropout", [f(2, 3)]),
    Case("Not", [b(2, 3)]),
    Case("And", [b(2, 3), b(3)]),
    Case("Or", [b(2, 3), b(3)]),
    Case("Equal", [i(1, 2, 3), i(1, 5, 3)]),
    Case("Clip", [f(2, 3), np.float32(-0.5), np.float32(0.5)]),
    Case("Clip", [f(2, 3), None, np.float32(0.5)]),
    Case("Clip", [f(2, 3)], {"min": -0.1, "max": 0.2}, opset=9),
    Case("Div", [i(7, -7, 8), i(2, 2, -3)]),
    Case("Mod", [i(7, -7, 8), i(3, 3, -3)]),
    Case("Mod", [f(4), f(4)], {"fmod": 1}),
    Case("Pow", [np.abs(f(2, 3)), np.float32(2.5)]),
    Case("Pow", [f(2, 3), i(2)[0]]),
    Case("Where", [b(2, 3), f(2, 3), f(1)]),
    *[Case(f"Reduce{way}", [f(2, 3, 4), i(1, -1)]) for way in ("Mean", "Sum", "Max", "Min", "Prod", "L1", "L2")],
    Case("ReduceSumSquare", [f(2, 3, 4), i(1)], {"keepdims": 0}),
    Case("ReduceLogSumExp", [f(2, 3, 4), i(1)], {"keepdims": 0}),
    Case("ReduceMean", [f(2, 3, 4)], {"axes": [1, 2], "keepdims": 0}, opset=13),
    Case("ReduceMean", [f(2, 3, 4)]),
    Case("ReduceSum", [f(2, 3)], {"noop_with_empty_axes": 1}),
    Case("ArgMax", [f(2, 3, 4)], {"axis": -1, "keepdims": 0}),
    Case("ArgMin", [f(2, 3, 4)], {"axis": 1}),
    Case("Cast", [f(2, 3)], {"to": TensorProto.INT64}),
    Case("Shape", [f(2, 3, 4)]),
    Case("Shape", [f(2, 3, 4)], {"start": 1, "end": -1}),
    Case("Size", [f(2, 3, 4)]),
    Case("Reshape", [f(2, 3, 4), i(0, -1)]),
    Case("Flatten", [f(2, 3, 4)], {"axis": 2}),
    Case("Flatten", [f(2, 3, 4)], {"axis": -1}),
    Case("Squeeze", [f(2, 1, 1), i(1)]),
    Case("Squeeze", [f(2, 1, 1)]),
    Case("Squeeze", [f(2, 1, 1)], {"axes": [2]}, opset=11),
    Case("Unsqueeze", [f(2, 3), i(0, -1)]),
    Case("Unsqueeze", [f(2, 3)], {"axes": [1, 2]}, opset=11),
    Case("Concat", [f(2, 3), f(2, 1)], {"axis": -1}),
    Case("Split", [f(2, 7), i(3, 4)], {"axis": 1}, outputs=2),
    Case("Split", [f(2, 7)], {"axis": 1, "num_outputs": 3}, outputs=3),
    Case("Split", [f(2, 6)], {"axis": 1}, opset=11, outputs=3),
    Case("Slice", [f(4, 5), i(1, 0), i(3, 100), i(0, 1), i(1, 2)]),
    Case("Slice", [f(4, 5), i(-1, 3), i(-100, 0), i(1, 0), i(-1, -2)]),
    Case("Slice", [f(4, 5)], {"starts": [1], "ends": [-1], "axes": [1]}, opset=9),
    Case("Gather", [f(4, 5, 2), np.array([[0, -1], [2, 1]])], {"axis": 1}),
    Case("Gather", [i(4, 5, 6), i(1)[0]]),
    Case("GatherElements", [f(2, 3), np.array([[0, -1], [2, 1]])], {"axis": 1}),
    Case("Expand", [f(3, 1), i(2, 1, 4)]),
    Case("Tile", [f(2, 3), i(2, 3)]),
    Case("Transpose", [f(2, 3, 4)]),
    Case("Transpose", [f(2, 3, 4)], {"perm": [0, 2, 1]}),
    Case("Pad", [f(2, 3), i(0, 1, 2, 3), np.float32(7)]),
    Case("Pad", [f(1, 1, 4, 4), i(0, 0, 1, 2, 0, 0, 3, 1)], {"mode": "reflect"}),
    Case("Pad", [f(1, 1, 4, 4), i(0, 0, 1, 2, 0, 0, 3, 1)], {"mode": "edge"}),
    Case("Pad", [f(2, 3), i(1, 2), None, i(1)]),
    Case("Pad", [f(2, 3)], {"pads": [0, 1, 0, 2], "value": 3.0}, opset=9),
    Case("ConstantOfShape", [i(2, 3)], {"value": numpy_helper.from_array(np.array([4], np.int64))}),
    Case("ConstantOfShape", [i(2, 3)]),
    Case("Range", [i(1)[0], i(9)[0], i(3)[0]]),
    Case("DepthToSpace", [f(1, 8, 2, 3)], {"blocksize": 2}),
    Case("DepthToSpace", [f(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"}),
    Case("SpaceToDepth", [f(1, 2, 4, 6)], {"blocksize": 2}),
    Case("Trilu", [f(3, 4), i(1)[0]]),
    Case("Trilu", [f(3, 4)], {"upper": 0}),
    Case("Conv", [f(2, 4, 7, 8), f(6, 2, 3, 3), f(6)], {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1]}),
    Case("Conv", [f(1, 3, 9, 9), f(5, 3, 3, 3)], {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    Case("Conv", [f(1, 3, 8, 9), f(5, 3, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    Case("Conv", [f(1, 3, 8, 9), f(5, 3, 4, 4)], {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    Case("Conv", [f(1, 3, 8, 9), f(5, 3, 4, 4)], {"auto_pad": "VALID"}),
    Case("ConvTranspose", [f(1, 4, 5, 5), f(4, 3, 3, 3), f(6)], {"group": 2, "strides": [2, 2], "pads": [1, 0, 1, 2]}),
    Case("Gemm", [f(2, 3), f(3, 4), f(4)], {"alpha": 0.5, "beta": 2.0}),
    Case("Gemm", [f(3, 2), f(4, 3)], {"transA": 1, "transB": 1}),
    Case("MatMul", [f(2, 3, 4), f(4, 5)]),
    Case("Einsum", [f(2, 3, 4), f(2, 5, 4)], {"equation": "bij,bkj->bik"}),
    Case("BatchNormalization", [f(2, 3, 4, 4), f(3), f(3), f(3), np.abs(f(3))], {"epsilon": 1e-3}),
    Case("InstanceNormalization", [f(2, 3, 4, 4), f(3), f(3)]),
    Case("LayerNormalization", [f(2, 3, 4), f(4), f(4)], {"epsilon": 1e-2}),
    Case("LayerNormalization", [f(2, 3, 4), f(3, 4)], {"axis": 1}),
    Case("RMSNormalization", [f(2, 3, 4), f(4)], opset=23),
    Case("GroupNormalization", [f(2, 4, 3, 3), f(4), f(4)], {"num_groups": 2}, opset=21),
    Case("LpNormalization", [f(2, 3, 4)], {"axis": 1, "p": 2}),
    Case("LRN", [f(1, 6, 3, 3)], {"size": 3, "alpha": 0.1}),
    Case("Softmax", [f(2, 3, 4)], {"axis": 1}),
    Case("Softmax", [f(2, 3, 4)], {"axis": 1}, opset=11),
    Case("LogSoftmax", [f(2, 3)]),
    Case("MaxPool", [f(1, 2, 7, 8)], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    Case("MaxPool", [f(1, 2, 7, 8)], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    Case("AveragePool", [f(1, 2, 7, 8)], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    Case("AveragePool", [f(1, 2, 7, 8)], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    Case("AveragePool", [f(1, 2, 7, 8)], {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    Case("GlobalAveragePool", [f(2, 3, 4, 5)]),
    Case("GlobalMaxPool", [f(2, 3, 4, 5)]),
    Case("Resize", [f(1, 2, 3, 4), None, np.array([1, 1, 2, 2], np.float32)], {"mode": "nearest"}),
    Case("Resize", [f(1, 2, 3, 4), None, None, i(1, 2, 5, 7)], {"mode": "linear"}),
    Case("Resize", [f(1, 2, 3, 4), None, None, i(1, 2, 5, 7)], {"mode": "cubic", "cubic_coeff_a": -0.75}),
    Case(
        "Resize",
        [f(1, 2, 3, 4), None, None, i(1, 2, 5, 7)],
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    ),
    Case("Upsample", [f(1, 2, 3, 4), np.array([1, 1, 2, 2], np.float32)], {"mode": "nearest"}, opset=9),
]


def by_runtime(case: Case) -> Any:
    names = [f"x{n}" if value is not None else "" for n, value in enumerate(case.inputs)]
    given = {name: value for name, value in zip(names, case.inputs, strict=True) if value is not None}
    outputs = [f"y{n}" for n in range(case.outputs)]
    node = helper.make_node(case.op, names, outputs, **case.settings)
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in given.items() if name != "x0"]
    value = np.asarray(given["x0"])
    entry = helper.make_tensor_value_info("x0", helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
    exits = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph([node], "one", [entry], exits, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", case.opset)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x0": value})


def _as_tensor(value: Any) -> Any:
    return torch.from_numpy(np.array(numpy_helper.to_array(value))) if isinstance(value, TensorProto) else value


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case.op}" for number, case in enumerate(CASES)])
def test_an_operator_gives_what_the_runtime_gives(case: Case) -> None:
    given = [None if value is None else torch.from_numpy(np.asarray(value)) for value in case.inputs]
    settings = {name: _as_tensor(value) for name, value in case.settings.items()}
    found = call(case.op, Settings({**settings, "outputs": case.outputs}, case.opset), given)
    wanted = by_runtime(case)
    assert len(found) == len(wanted) == case.outputs
    for mine, theirs in zip(found, wanted, strict=True):
        assert str(mine.dtype).removeprefix("torch.") == str(theirs.dtype)
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-4, atol=1e-5)


def test_no_operator_is_left_out() -> None:
    assert {case.op for case in CASES} == set(OPERATORS)


@pytest.mark.parametrize(
    ("op", "settings", "inputs"),
    [
        ("ConstantOfShape", {}, [i(1 << 40)]),
        ("Expand", {}, [f(1), i(1 << 20, 1 << 20)]),
        ("Tile", {}, [f(2), i(1 << 40)]),
        ("Pad", {}, [f(2, 2), i(0, 0, 0, 1 << 40)]),
        ("Range", {}, [i(0)[0], i(1 << 40)[0], i(1)[0]]),
        ("Add", {}, [np.zeros((1 << 16, 1)), np.zeros((1, 1 << 16))]),
        ("Where", {}, [b(1), np.zeros((1 << 16, 1)), np.zeros((1, 1 << 16))]),
        ("Sum", {}, [np.zeros((1 << 16, 1)), np.zeros((1, 1 << 16))]),
        ("MatMul", {}, [np.zeros((1 << 16, 1)), np.zeros((1, 1 << 16))]),
        ("Gemm", {}, [np.zeros((1 << 16, 1)), np.zeros((1, 1 << 16))]),
        ("Einsum", {"equation": "ij,kl->ijkl"}, [np.zeros((1 << 16, 1)), np.zeros((1, 1 << 16))]),
        ("Gather", {}, [np.zeros((1, 1 << 16)), np.zeros(1 << 16, np.int64)]),
        ("Conv", {"pads": [1 << 20] * 4}, [f(1, 1, 4, 4), f(1, 1, 1, 1)]),
        ("MaxPool", {"pads": [1 << 20] * 4, "kernel_shape": [1, 1]}, [f(1, 1, 4, 4)]),
        ("ConvTranspose", {"strides": [1 << 20] * 2}, [f(1, 1, 4, 4), f(1, 1, 1, 1)]),
        ("Resize", {}, [f(1, 1, 4, 4), None, None, i(1, 1, 1 << 20, 1 << 20)]),
    ],
)
def test_what_would_fill_the_memory_is_refused_before_it_does(op: str, settings: Any, inputs: Any) -> None:
    given = [None if value is None else torch.from_numpy(np.asarray(value)) for value in inputs]
    with pytest.raises(OnnxFileError, match="makes a tensor of shape"):
        call(op, Settings(settings, 20), given)


def test_inputs_that_do_not_go_together_are_one_clear_error() -> None:
    with pytest.raises(OnnxFileError, match=r"'here' \(MatMul\) cannot be run"):
        call("MatMul", Settings({}, 20, "here"), [torch.zeros(2, 3), torch.zeros(2, 3)])


@pytest.mark.parametrize(
    ("op", "settings", "inputs", "said"),
    [
        ("Cast", {"to": 10}, [f(2)], "casts to type 10"),
        ("BatchNormalization", {"training_mode": 1}, [f(1, 2, 3, 3), f(2), f(2), f(2), f(2)], "as in training"),
        ("Resize", {"mode": "nearest"}, [f(1, 1, 4, 4), None, None, i(1, 1, 5, 5)], "not read here"),
        ("ConvTranspose", {"auto_pad": "SAME_UPPER"}, [f(1, 1, 4, 4), f(1, 1, 1, 1)], "leaves its padding open"),
    ],
)
def test_a_way_that_is_not_read_is_named(op: str, settings: Any, inputs: Any, said: str) -> None:
    given = [None if value is None else torch.from_numpy(np.asarray(value)) for value in inputs]
    with pytest.raises(OnnxFileError, match=said):
        call(op, Settings(settings, 20), given)
