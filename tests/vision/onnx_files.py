"""ONNX files for tests: exported from torch, or put together node by node."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from expunge.vision import VisionModel, load_onnx, standard_preprocess
from expunge.vision.onnx._module import OnnxModule

SIDE, PATCH, WIDTH, INNER = 8, 4, 8, 12
CLASSES = ("ant", "bee", "cat", "dog", "eel")


class Logits(nn.Module):
    """A classifier that returns its logits alone."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.net = module
        for part in module.modules():
            written_out: Any = getattr(part, "set_attn_implementation", None)
            if written_out is not None:
                written_out("eager")

    def forward(self, pixels: Tensor) -> Tensor:
        returned: Any = self.net(pixels)
        return returned if isinstance(returned, Tensor) else returned.logits


def export(module: nn.Module, path: Path, side: int, *, old: bool = False, batch: int | None = None) -> Path:
    """Writes a module by one of torch's exporters, for any number of pictures or a fixed one."""
    plain, pixels = Logits(module).eval(), torch.randn(batch or 2, 3, side, side)
    how: dict[str, Any] = {"input_names": ["pixels"], "output_names": ["scores"], "dynamo": not old}
    if old:
        how |= {"opset_version": 17, "dynamic_axes": None if batch else {"pixels": {0: "n"}, "scores": {0: "n"}}}
    else:
        shapes = None if batch else ({0: torch.export.Dim("n")},)
        how |= {"opset_version": 18, "dynamic_shapes": shapes, "verbose": False, "external_data": False}
    logger, level = logging.getLogger("torch.onnx"), logging.getLogger("torch.onnx").level
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            torch.onnx.export(plain, (pixels,), str(path), **how)
        finally:
            logger.setLevel(level)
    return path


def numbers(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of the network that `network` is."""
    draw = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"patch.weight": (WIDTH, 3, PATCH, PATCH), "patch.bias": (WIDTH,)}
    for block in range(2):
        shapes |= {f"blocks.{block}.up": (WIDTH, INNER), f"blocks.{block}.up_bias": (INNER,)}
        shapes |= {f"blocks.{block}.down": (INNER, WIDTH), f"blocks.{block}.down_bias": (WIDTH,)}
    shapes |= {"head.weight": (len(CLASSES), WIDTH), "head.bias": (len(CLASSES),)}
    return {name: draw.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def network(*, batch: int | str = "n", opset: int = 17, seed: int = 0) -> onnx.ModelProto:
    """Patches of 8 × 8 pixels, two residual feed-forward networks, the mean patch, a classifier."""
    stored = {**numbers(seed), "tokens": np.array([0 if isinstance(batch, str) else batch, WIDTH, -1], np.int64)}
    nodes = [
        node("Conv", ["pixels", "patch.weight", "patch.bias"], "map", strides=[PATCH, PATCH]),
        node("Reshape", ["map", "tokens"], "columns"),
        node("Transpose", ["columns"], "stream.0", perm=[0, 2, 1]),
    ]
    for block in range(2):
        nodes += [
            node("MatMul", [f"stream.{block}", f"blocks.{block}.up"], f"{block}.wide"),
            node("Add", [f"{block}.wide", f"blocks.{block}.up_bias"], f"{block}.shifted"),
            node("Relu", [f"{block}.shifted"], f"{block}.bent"),
            node("MatMul", [f"{block}.bent", f"blocks.{block}.down"], f"{block}.narrow"),
            node("Add", [f"blocks.{block}.down_bias", f"{block}.narrow"], f"{block}.out"),
            node("Add", [f"stream.{block}", f"{block}.out"], f"stream.{block + 1}"),
        ]
    nodes += [
        node("ReduceMean", ["stream.2"], "pooled", axes=[1], keepdims=0),
        node("Gemm", ["pooled", "head.weight", "head.bias"], "scores", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "handmade",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, len(CLASSES)])],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
        doc_string="drawn by hand",
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, producer_name="hand")
    helper.set_model_props(model, {"licence": "none", "café": "naïve"})
    return model


def node(op: str, inputs: Sequence[str], output: str, **settings: Any) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), [output], f"{output}/{op}", **settings)


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def save_apart(model: onnx.ModelProto, folder: Path, *, one_file: bool = True) -> Path:
    """With the numbers of float32 initialisers in files beside: one, or one each, which then says no offset."""
    whole = b""
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            told = {"location": "weights.bin" if one_file else tensor.name}
            told |= {"offset": str(len(whole)), "length": str(len(tensor.raw_data))} if one_file else {}
            whole += tensor.raw_data
            (folder / told["location"]).write_bytes(whole if one_file else tensor.raw_data)
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.extend(onnx.StringStringEntryProto(key=key, value=told[key]) for key in told)
            tensor.ClearField("raw_data")
    return save(model, folder)


def load(path: Path, classes: Sequence[str] = CLASSES) -> VisionModel:
    return load_onnx(path, classes, standard_preprocess(SIDE, (0.5,) * 3, (0.5,) * 3))


def graph_of(model: VisionModel) -> OnnxModule:
    assert isinstance(model.module, OnnxModule)
    return model.module


def pixels(n: int = 3, side: int = SIDE) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(7))


def by_runtime(path: Path, values: Tensor, output: str = "scores") -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run([output], {session.get_inputs()[0].name: values.numpy()})[0])


def by_hand(stored: dict[str, np.ndarray], values: Tensor) -> Tensor:
    """What the network gives, written out in torch without any of our code."""
    w = {name: torch.from_numpy(np.array(value)) for name, value in stored.items()}
    maps = nn.functional.conv2d(values, w["patch.weight"], w["patch.bias"], PATCH)
    stream = maps.flatten(2).transpose(1, 2)
    for b in range(2):
        wide = (stream @ w[f"blocks.{b}.up"] + w[f"blocks.{b}.up_bias"]).relu()
        stream = stream + wide @ w[f"blocks.{b}.down"] + w[f"blocks.{b}.down_bias"]
    return stream.mean(1) @ w["head.weight"].T + w["head.bias"]
