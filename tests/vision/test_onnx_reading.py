"""ONNX files read into torch: what they answer, their blocks, and that every model's promises hold."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image
from torch import nn
from transformers import ResNetConfig, ResNetForImageClassification

from expunge.adapters import Edit, EditStack, LowRank
from expunge.vision import VisionModel, load_model, load_onnx, standard_preprocess
from tests.release.models import tiny
from tests.vision import conformance
from tests.vision.onnx_files import (
    CLASSES,
    INNER,
    SIDE,
    WIDTH,
    by_hand,
    by_runtime,
    export,
    graph_of,
    load,
    network,
    node,
    numbers,
    pixels,
    save,
)

PREPROCESS = standard_preprocess(32, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
FFN = {
    "vit": [f"net_vit_layers_{i}_mlp_fc{k}" for i in range(2) for k in (1, 2)],
    "swin": [f"net_swin_encoder_layers_0_blocks_{i}_mlp_fc{k}" for i in range(2) for k in (1, 2)],
    "convnext": [
        f"net_convnext_encoder_stages_{s}_layers_{i}_pwconv{k}" for s, i in ((0, 0), (1, 0), (1, 1)) for k in (1, 2)
    ],
}
CONVOLUTIONS = {
    False: "net_resnet_encoder_stages_{}_layers_{}_layer_{}_convolution",
    True: "net_resnet_encoder_stages_{}_layers_{}_layer_layer_{}_convolution",
}
"""The name of the same layer by either of torch's exporters."""
APART = (conformance.check_logits, conformance.check_preprocess)
"""What is asked of them in a test of its own, at the accuracy of ONNX Runtime, or of a file's own preprocessing."""


def exported(kind: str, *, old: bool = False, slow: bool = True) -> Any:
    """A tiny model of transformers, through either of torch's exporters."""
    marks = [pytest.mark.slow] if slow else []
    return pytest.param((kind, old), id=f"{kind}-{'old' if old else 'new'}", marks=marks)


TRANSFORMERS = [
    exported("vit", slow=False),
    *(exported("vit", old=True), exported("swin"), exported("swin", old=True)),
    *(exported("convnext"), exported("convnext", old=True)),
]
RESNETS = [exported("resnet"), exported("resnet", old=True)]


@pytest.fixture(scope="module", params=[*TRANSFORMERS, *RESNETS])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> conformance.Subject:
    """What came back from the file, beside the module that was exported."""
    kind, old = request.param
    module = tiny(kind).module if kind in FFN else _resnet()
    path = export(module, tmp_path_factory.mktemp(kind) / "net.onnx", 32, old=old)
    names = FFN.get(kind) or [CONVOLUTIONS[old].format(s, i, k) for s in range(2) for i in range(2) for k in range(2)]
    blocks = {f"blocks.{i}": tuple(f"blocks.{i}.{n}" for n in names[2 * i : 2 * i + 2]) for i in range(len(names) // 2)}
    model = load_onnx(path, CLASSES, PREPROCESS)
    head = next(name for name, _ in graph_of(model).named_modules() if "net_classifier" in name)
    assert head.startswith("tail.")
    return conformance.Subject(model, module, blocks, head, load_model)


def _resnet() -> nn.Module:
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[2, 2], layer_type="basic", id2label=dict(enumerate(CLASSES))
    )
    module, draw = ResNetForImageClassification(config), torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_(0, 0.3, generator=draw)
            part.running_var.uniform_(0.5, 2, generator=draw)
    return conformance.randomise(module)


@pytest.mark.parametrize(
    "check", [check for check in conformance.PROMISES if check not in APART], ids=lambda check: check.__name__
)
def test_the_promises_of_every_model(
    subject: conformance.Subject, check: Callable[[conformance.Subject], None]
) -> None:
    check(subject)


def test_it_answers_like_the_module_that_was_exported(subject: conformance.Subject) -> None:
    for n in (1, 5):
        values = torch.randn(n, 3, 32, 32)
        with torch.no_grad():
            found = subject.model(values).logits
        torch.testing.assert_close(found, conformance.plain_logits(subject.reference, values), rtol=1e-4, atol=1e-4)


def test_saved_and_loaded_it_is_the_same(subject: conformance.Subject, tmp_path: Path) -> None:
    conformance.check_round_trip(subject, tmp_path)


@pytest.mark.parametrize("subject", TRANSFORMERS, indirect=True)  # a file's weights hold a ResNet's batch norms
def test_an_edit_means_the_same_as_in_the_module(subject: conformance.Subject) -> None:
    original = VisionModel(copy.deepcopy(subject.reference), CLASSES, preprocess=PREPROCESS)
    model = copy.deepcopy(subject.model)
    shape = model.linear(model.blocks[0].linears[0]).weight.shape
    low = LowRank(torch.randn(2, shape[1]), torch.randn(shape[0], 2), 0.5)
    for one in (original, model):
        EditStack(one).push(Edit({one.blocks[0].linears[0]: low}, masked=(2,)))
    values = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(model(values).logits, original(values).logits, rtol=1e-4, atol=1e-4)


def test_a_graph_by_hand_against_torch_by_hand(tmp_path: Path) -> None:
    model = load(save(network(), tmp_path))
    torch.testing.assert_close(model(pixels()).logits, by_hand(numbers(), pixels()), rtol=1e-5, atol=1e-5)
    layers = [model.linear(name) for block in model.blocks for name in block.linears]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(WIDTH, INNER), (INNER, WIDTH)] * 2
    assert torch.equal(layers[0].weight, torch.from_numpy(numbers()["blocks.0.up"].T.copy()))
    assert torch.equal(layers[1].bias, torch.from_numpy(numbers()["blocks.0.down_bias"]))  # of the Add after it
    assert model.num_parameters == sum(value.size for value in numbers().values())


def test_blocks_begin_and_end_where_the_stream_alone_is_alive(tmp_path: Path) -> None:
    model, stored = load(save(network(), tmp_path)), numbers()
    stream = torch.nn.functional.conv2d(
        pixels(), torch.from_numpy(stored["patch.weight"]), torch.from_numpy(stored["patch.bias"]), 4
    )
    torch.testing.assert_close(model.enter(pixels(), 0), stream.flatten(2).transpose(1, 2))
    assert model.advance(model.enter(pixels(), 0), 0).shape == (3, 4, WIDTH)


def test_a_plain_stack_of_convolutions(tmp_path: Path) -> None:
    """Without a residual connection, each convolution is a block."""
    draw, classes = np.random.default_rng(0), len(CLASSES)
    shapes = {"a": (6, 3, 3, 3), "b": (6, 6, 3, 3), "c": (6, 6, 3, 3), "head": (classes, 6), "bias": (classes,)}
    stored = {name: draw.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    proto = network()
    del proto.graph.node[:], proto.graph.initializer[:]
    proto.graph.node.extend(
        [
            *(node("Conv", ["pixels", "a"], "1", pads=[1] * 4), node("Relu", ["1"], "2")),
            *(node("Conv", ["2", "b"], "3", pads=[1] * 4), node("Relu", ["3"], "4")),
            node("MaxPool", ["4"], "5", kernel_shape=[2, 2], strides=[2, 2]),
            *(node("Conv", ["5", "c"], "6", auto_pad="SAME_UPPER"), node("Relu", ["6"], "7")),
            *(node("GlobalAveragePool", ["7"], "8"), node("Flatten", ["8"], "9")),
            node("Gemm", ["9", "head", "bias"], "scores", transB=1),
        ]
    )
    proto.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in stored.items())
    path = save(proto, tmp_path)
    model = load(path)
    assert [block.linears for block in model.blocks] == [("tail.0.a",), ("tail.2.b",), ("tail.5.c",)]
    torch.testing.assert_close(model(pixels()).logits, by_runtime(path, pixels()), rtol=1e-4, atol=1e-5)
    for block in range(3):
        rest = model.resume(model.enter(pixels(), block), block).logits
        torch.testing.assert_close(rest, model(pixels()).logits)
    with torch.no_grad():
        model.layer("tail.2.b").weight[:, 1] += 1
    model.save(tmp_path / "out")
    assert set(graph_of(model).changed()) == {"b"}
    torch.testing.assert_close(by_runtime(tmp_path / "out" / "model.onnx", pixels()), model(pixels()).logits)


def test_inverted_residuals_with_and_without_a_shortcut(tmp_path: Path) -> None:
    """Each is a block: the one without ends with a convolution that nothing bends before the next layer."""
    draw, classes, stored = np.random.default_rng(0), len(CLASSES), {}

    def convolution(given: str, made: str, shape: tuple[int, ...], **settings: object) -> onnx.NodeProto:
        stored[f"{made}.weight"] = draw.normal(0, 0.4, shape).astype(np.float32)
        return node("Conv", [given, f"{made}.weight"], made, **settings)

    nodes = [convolution("pixels", "stem", (4, 3, 3, 3), pads=[1] * 4), node("Relu", ["stem"], "stream")]
    given = "stream"
    for name, shortcut in (("a", True), ("b", False), ("c", True)):
        nodes += [convolution(given, f"{name}.expand", (8, 4, 1, 1)), node("Relu", [f"{name}.expand"], f"{name}.1")]
        nodes += [convolution(f"{name}.1", f"{name}.deep", (8, 1, 3, 3), pads=[1] * 4, group=8)]
        nodes += [
            node("Relu", [f"{name}.deep"], f"{name}.2"),
            convolution(f"{name}.2", f"{name}.project", (4, 8, 1, 1)),
        ]
        nodes += [node("Add", [given, f"{name}.project"], f"{name}.sum")] if shortcut else []
        given = f"{name}.sum" if shortcut else f"{name}.project"
    stored |= {"head": draw.normal(size=(classes, 4)).astype(np.float32), "bias": np.ones(classes, np.float32)}
    nodes += [node("GlobalAveragePool", [given], "pooled"), node("Flatten", ["pooled"], "flat")]
    nodes += [node("Gemm", ["flat", "head", "bias"], "scores", transB=1)]
    proto = network()
    del proto.graph.node[:], proto.graph.initializer[:]
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in stored.items())
    path = save(proto, tmp_path)
    model = load(path)
    assert {block.name: block.linears for block in model.blocks} == {
        f"blocks.{i}": (f"blocks.{i}.{name}_expand", f"blocks.{i}.{name}_project") for i, name in enumerate("abc")
    }
    torch.testing.assert_close(model(pixels()).logits, by_runtime(path, pixels()), rtol=1e-4, atol=1e-5)
    for block in range(3):
        rest = model.resume(model.enter(pixels(), block), block).logits
        torch.testing.assert_close(rest, model(pixels()).logits)


def test_a_file_for_one_picture_is_read_for_any_number(tmp_path: Path) -> None:
    model = load(save(network(batch=1), tmp_path))
    torch.testing.assert_close(model(pixels(5)).logits, by_hand(numbers(), pixels(5)), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_transformer_exported_for_one_picture(tmp_path: Path) -> None:
    """The class token is put beside the patches, and every shape has the 1 in it."""
    module = tiny("vit").module
    model = load_onnx(export(module, tmp_path / "net.onnx", 32, batch=1), CLASSES, PREPROCESS)
    values = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        wanted = conformance.plain_logits(module, values)
    torch.testing.assert_close(model(values).logits, wanted, rtol=1e-4, atol=1e-4)
    assert len(model.blocks) == 2


def test_channels_last(tmp_path: Path) -> None:
    proto = network()
    sides = proto.graph.input[0].type.tensor_type.shape.dim
    sides[1].dim_value, sides[3].dim_value = SIDE, 3
    proto.graph.node[0].input[0] = "turned"
    proto.graph.node.insert(0, node("Transpose", ["pixels"], "turned", perm=[0, 3, 1, 2]))
    model = load(save(proto, tmp_path))
    torch.testing.assert_close(model(pixels()).logits, by_hand(numbers(), pixels()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_a_softmax_at_the_end_is_left_out(op: str, tmp_path: Path) -> None:
    proto = network()
    proto.graph.node[-1].output[0] = "before"
    proto.graph.node.append(node(op, ["before"], "scores", axis=-1))
    path = save(proto, tmp_path)
    logits = load(path)(pixels()).logits
    torch.testing.assert_close(logits, by_hand(numbers(), pixels()), rtol=1e-5, atol=1e-5)
    told = logits.softmax(-1) if op == "Softmax" else logits.log_softmax(-1)
    torch.testing.assert_close(told, by_runtime(path, pixels()), rtol=1e-5, atol=1e-5)


def test_a_second_output_of_another_shape_does_not_matter(tmp_path: Path) -> None:
    proto = network()
    proto.graph.output.insert(0, onnx.helper.make_tensor_value_info("pooled", onnx.TensorProto.FLOAT, ["n", WIDTH]))
    model = load(save(proto, tmp_path))
    assert model(pixels()).logits.shape == (3, len(CLASSES))


def test_what_two_layers_share_is_one_parameter(tmp_path: Path) -> None:
    """An edit of one of them is one of both, in torch as in the file."""
    proto = network()
    for one in proto.graph.node:
        if "blocks.1.up" in one.input:
            one.input[1] = "blocks.0.up"
    model = load(save(proto, tmp_path))
    first, second = (model.linear(block.linears[0]) for block in model.blocks)
    assert first.weight is second.weight
    EditStack(model).push(Edit({model.blocks[1].linears[0]: LowRank(torch.randn(1, WIDTH), torch.randn(INNER, 1))}))
    wanted = by_hand({**numbers(), **dict.fromkeys(("blocks.0.up", "blocks.1.up"), first.weight.T.numpy())}, pixels())
    torch.testing.assert_close(model(pixels()).logits, wanted, rtol=1e-5, atol=1e-5)
    model.save(tmp_path / "out")
    torch.testing.assert_close(by_runtime(tmp_path / "out" / "model.onnx", pixels()), wanted, rtol=1e-5, atol=1e-5)


def test_the_names_of_our_own_exports_are_in_the_file(tmp_path: Path) -> None:
    proto = network()
    onnx.helper.set_model_props(proto, {"expunge.classes": '["a", "b", "c", "d", "ö"]'})
    model = load_onnx(save(proto, tmp_path), preprocess=standard_preprocess(SIDE, (0.5,) * 3, (0.5,) * 3))
    assert (model.classes, model.name) == (("a", "b", "c", "d", "ö"), "net")


def test_classes_and_preprocessing_from_files(tmp_path: Path) -> None:
    path = save(network(), tmp_path)
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    (tmp_path / "how.json").write_text('{"size": [8, 8], "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.5]}')
    model = load_onnx(path, tmp_path / "names.txt", tmp_path / "how.json")
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    found = model.prepare([Image.fromarray(picture), Image.new("L", (30, 20), 51)])
    wanted = (torch.from_numpy(picture) / 255 - torch.tensor([0.5, 0.4, 0.3])) / torch.tensor([0.2, 0.25, 0.5])
    torch.testing.assert_close(found[0], wanted.permute(2, 0, 1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[1, 0], torch.full((8, 8), (0.2 - 0.5) / 0.2), rtol=1e-5, atol=1e-5)
    standard_preprocess(SIDE, (0.5,) * 3, (0.5,) * 3).save(tmp_path)
    beside = load_onnx(path, CLASSES)
    assert beside.preprocess.size == (8, 8)


@pytest.mark.parametrize("opset", [9, 13])
def test_operator_sets_of_before(opset: int, tmp_path: Path) -> None:
    model = load(save(network(opset=opset), tmp_path))
    torch.testing.assert_close(model(pixels()).logits, by_hand(numbers(), pixels()), rtol=1e-5, atol=1e-5)


def test_initialisers_that_are_inputs_too(tmp_path: Path) -> None:
    """As files before IR version 4 have them."""
    proto = network()
    proto.graph.input.extend(
        onnx.helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in proto.graph.initializer
    )
    model = load(save(proto, tmp_path))
    torch.testing.assert_close(model(pixels()).logits, by_hand(numbers(), pixels()), rtol=1e-5, atol=1e-5)


def test_numbers_kept_one_by_one(tmp_path: Path) -> None:
    """float_data in place of raw bytes."""
    proto = network()
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            name = tensor.name
            tensor.CopyFrom(onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, values.shape, values.flatten()))
    model = load(save(proto, tmp_path))
    torch.testing.assert_close(model(pixels()).logits, by_hand(numbers(), pixels()), rtol=1e-5, atol=1e-5)
    model.linear(model.head_name).weight.data += 1
    model.save(tmp_path / "out")
    torch.testing.assert_close(by_runtime(tmp_path / "out" / "model.onnx", pixels()), model(pixels()).logits)


def test_equal_weights_in_another_graph_are_another_model(tmp_path: Path) -> None:
    model, proto = load(save(network(), tmp_path)), network()
    (pooled,) = [one for one in proto.graph.node if one.op_type == "ReduceMean"]
    pooled.op_type = "ReduceMax"
    other = load(save(proto, tmp_path))
    weights = [dict(one.module.named_parameters()) for one in (model, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert other.digest() != model.digest()
    assert load(save(network(), tmp_path)).digest() == model.digest()
    assert load(save(network(seed=1), tmp_path)).digest() != model.digest()
    assert torch.equal(graph_of(load(save(network(seed=1), tmp_path))).graph, graph_of(model).graph)


def test_a_copy_shares_the_file_and_nothing_else(tmp_path: Path) -> None:
    model = load(save(network(), tmp_path))
    other = copy.deepcopy(model)
    assert graph_of(other).file is graph_of(model).file
    other.linear(other.head_name).weight.data += 1
    assert other.digest() != model.digest()
