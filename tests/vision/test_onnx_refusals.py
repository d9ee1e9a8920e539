"""ONNX files that are not read: one clear error each, whatever the bytes."""

import json
from collections.abc import Callable
from contextlib import suppress
from importlib import util
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from expunge.errors import (
    CorruptWeightsError,
    DuplicateClassError,
    ExpungeError,
    HeadError,
    MissingExtraError,
    ModelNotFoundError,
    OnnxFileError,
    QuantizedWeightsError,
)
from expunge.vision import load_onnx, read_preprocess, standard_preprocess
from tests.vision.onnx_files import CLASSES, INNER, SIDE, WIDTH, load, network, node, save, save_apart

PREPROCESS = standard_preprocess(SIDE, (0.5,) * 3, (0.5,) * 3)


def _half(proto: onnx.ModelProto) -> None:
    _replace(proto, "blocks.0.up", np.zeros((WIDTH, INNER), np.float16))


def _replace(proto: onnx.ModelProto, name: str, values: np.ndarray) -> None:
    (tensor,) = [one for one in proto.graph.initializer if one.name == name]
    tensor.CopyFrom(numpy_helper.from_array(values, name))


def _half_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def _int8(proto: onnx.ModelProto) -> None:
    _replace(proto, "blocks.0.up", np.zeros((WIDTH, INNER), np.int8))


def _quantised(proto: onnx.ModelProto) -> None:
    _before_scores(proto, node("QuantizeLinear", ["before", "head.bias"], "scores"))


def _before_scores(proto: onnx.ModelProto, *nodes: onnx.NodeProto) -> None:
    proto.graph.node[-1].output[0] = "before"
    proto.graph.node.extend(nodes)


def _control_flow(proto: onnx.ModelProto) -> None:
    branch = helper.make_graph([node("Identity", ["before"], "inside")], "branch", [], [])
    truth = helper.make_tensor("truth", TensorProto.BOOL, [], [True])
    proto.graph.initializer.append(truth)
    _before_scores(proto, helper.make_node("If", ["truth"], ["scores"], "fork", then_branch=branch, else_branch=branch))


def _custom(proto: onnx.ModelProto) -> None:
    _before_scores(proto, helper.make_node("FancyNorm", ["before"], ["scores"], "fancy", domain="acme"))


def _unknown(proto: onnx.ModelProto) -> None:
    _before_scores(proto, node("Bernoulli", ["before"], "scores"))


def _two_logits(proto: onnx.ModelProto) -> None:
    proto.graph.node.append(node("Relu", ["scores"], "others"))
    proto.graph.output.append(helper.make_tensor_value_info("others", TensorProto.FLOAT, ["n", len(CLASSES)]))


def _two_inputs(proto: onnx.ModelProto) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n", 1]))


def _grey(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1


def _other_side(proto: onnx.ModelProto) -> None:
    for side in proto.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_value = 16


def _batch_of_four(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


def _old(proto: onnx.ModelProto) -> None:
    proto.opset_import[0].version = 8


def _functions(proto: onnx.ModelProto) -> None:
    proto.functions.append(
        helper.make_function(
            "own", "twice", ["x"], ["y"], [node("Add", ["x", "x"], "y")], [helper.make_opsetid("", 17)]
        )
    )


def _out_of_order(proto: onnx.ModelProto) -> None:
    first = onnx.NodeProto()
    first.CopyFrom(proto.graph.node[0])
    del proto.graph.node[0]
    proto.graph.node.append(first)


def _nothing_gives_it(proto: onnx.ModelProto) -> None:
    proto.graph.output[0].name = "elsewhere"


def _twice(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(numpy_helper.from_array(np.zeros(2, np.float32), "head.bias"))


def _too_few_numbers(proto: onnx.ModelProto) -> None:
    (tensor,) = [one for one in proto.graph.initializer if one.name == "head.weight"]
    tensor.dims[0] = 1 << 40


def _bomb(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(numpy_helper.from_array(np.array([1 << 20, 1 << 20]), "huge"))
    _before_scores(
        proto, node("ConstantOfShape", ["huge"], "filled"), node("ReduceMax", ["filled"], "greatest"),
        node("Add", ["before", "greatest"], "scores"),
    )  # fmt: skip


def _no_bias(proto: onnx.ModelProto) -> None:
    del proto.graph.node[-1].input[2]


def _after_the_head(proto: onnx.ModelProto) -> None:
    _before_scores(proto, node("Relu", ["before"], "scores"))


def _shared_head(proto: onnx.ModelProto) -> None:
    proto.graph.node.insert(
        len(proto.graph.node) - 1, node("Gemm", ["pooled", "head.weight", "head.bias"], "first", transB=1)
    )
    _before_scores(proto, node("ReduceMean", ["first"], "mean", axes=[1]))
    proto.graph.node[-3].input[0] = "pooled"
    proto.graph.node.append(node("Mul", ["pooled", "mean"], "scaled"))
    proto.graph.node.append(node("Gemm", ["scaled", "head.weight", "head.bias"], "scores", transB=1))


def _one_block(proto: onnx.ModelProto) -> None:
    kept = [one for one in proto.graph.node if not one.name.startswith(("1.", "stream.2"))]
    del proto.graph.node[:]
    proto.graph.node.extend(kept)
    proto.graph.node[-2].input[0] = "stream.1"


def _no_pictures(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(numpy_helper.from_array(np.zeros((2, len(CLASSES)), np.float32), "always"))
    del proto.graph.node[:]
    proto.graph.node.append(node("Relu", ["always"], "scores"))


REFUSED: list[tuple[Callable[[onnx.ModelProto], None], type[Exception], str]] = [
    (_half, OnnxFileError, r"'blocks.0.up' is FLOAT16: edit the model in float32"),
    (_half_input, OnnxFileError, "expected pictures in float32"),
    (_int8, QuantizedWeightsError, "is INT8, as in a quantised model: edit the model as it was before"),
    (_quantised, QuantizedWeightsError, "the model is quantised: the operator QuantizeLinear"),
    (_control_flow, OnnxFileError, r"branches or loops: the operator If \(node 'fork'\)"),
    (_custom, OnnxFileError, "FancyNorm.*is a custom one, of 'acme'"),
    (_unknown, OnnxFileError, "Bernoulli.*is not one that is read here"),
    (_two_logits, OnnxFileError, "several outputs could be the logits of 5 classes: 'scores', 'others'"),
    (_two_inputs, OnnxFileError, "expected one input, the pictures; the file has 'pixels', 'mask'"),
    (_grey, OnnxFileError, r"expected pictures \(n, 3, h, w\)"),
    (_other_side, OnnxFileError, r"takes pictures of \(16, 16\) pixels, and the preprocessing makes them \(8, 8\)"),
    (_batch_of_four, OnnxFileError, "takes 4 pictures at a time"),
    (_old, OnnxFileError, "is of operator set 8; expected 9 or later"),
    (_functions, OnnxFileError, "functions of its own"),
    (_out_of_order, OnnxFileError, "uses 'map' before it is there"),
    (_nothing_gives_it, OnnxFileError, "nothing gives its output 'elsewhere'"),
    (_twice, OnnxFileError, "the initialiser 'head.bias' twice"),
    (_too_few_numbers, OnnxFileError, "the tensor 'head.weight' is damaged"),
    (_bomb, OnnxFileError, r"makes a tensor of shape \(1048576, 1048576\)"),
    (_no_bias, HeadError, "has no bias, where forgotten classes are struck"),
    (_after_the_head, HeadError, "here Relu gives them"),
    (_shared_head, HeadError, "shares its numbers with another layer"),
    (_no_pictures, OnnxFileError, "do not hang on the pictures"),
]


@pytest.mark.parametrize(("change", "error", "said"), REFUSED, ids=[one[0].__name__[1:] for one in REFUSED])
def test_a_file_that_is_not_read(
    change: Callable[[onnx.ModelProto], None], error: type[Exception], said: str, tmp_path: Path
) -> None:
    proto = network()
    change(proto)
    with pytest.raises(error, match=said):
        load(save(proto, tmp_path))


def test_a_graph_with_one_block_is_read_and_says_why_only_its_head_can_be_edited(tmp_path: Path) -> None:
    proto = network()
    _one_block(proto)
    model = load(save(proto, tmp_path))
    assert "No repeated block" in str(model.fixed)
    assert [block.name for block in model.blocks] == [model.head_name]


@pytest.mark.parametrize("classes", [CLASSES[:-1], (*CLASSES, "fox")])
def test_a_list_of_classes_of_another_length(classes: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=rf"{len(classes)} in all; the file gives for each picture 'scores' \(5,\)"):
        load(save(network(), tmp_path), classes)


def test_classes_that_cannot_be(tmp_path: Path) -> None:
    path = save(network(), tmp_path)
    with pytest.raises(DuplicateClassError):
        load_onnx(path, ("a", "a", "b", "c", "d"), PREPROCESS)
    with pytest.raises(ModelNotFoundError, match=r"does not name its classes.*--classes FILE"):
        load_onnx(path, None, PREPROCESS)
    proto = network()
    helper.set_model_props(proto, {"expunge.classes": "[1, 2"})
    with pytest.raises(ModelNotFoundError, match="does not name its classes"):
        load_onnx(save(proto, tmp_path), None, PREPROCESS)


def test_nothing_says_the_preprocessing(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="--preprocess FILE"):
        load_onnx(save(network(), tmp_path), CLASSES)


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "{}", '"words"', "null", "[" * 100_000,
        '{"size": [8], "mean": [0, 0, 0], "std": [1, 1, 1]}',
        '{"size": [8, 99999], "mean": [0, 0, 0], "std": [1, 1, 1]}',
        '{"size": [8, true], "mean": [0, 0, 0], "std": [1, 1, 1]}',
        '{"size": 8, "mean": [0, 0, 0], "std": [1, 1, 1]}',
        '{"size": [8, 8], "mean": [0, 0], "std": [1, 1, 1]}',
        '{"size": [8, 8], "mean": [0, 0, NaN], "std": [1, 1, 1]}',
        '{"size": [8, 8], "mean": [0, 0, "0"], "std": [1, 1, 1]}',
        '{"size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 0]}',
    ],
)  # fmt: skip
def test_a_preprocessing_that_says_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "how.json").write_text(text)
    with pytest.raises(CorruptWeightsError, match=r"how\.json"):
        read_preprocess(tmp_path / "how.json")


def test_a_preprocessing_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="There is no file"):
        read_preprocess(tmp_path / "how.json")


def _external(folder: Path) -> tuple[Path, onnx.ModelProto]:
    proto = network()
    return save_apart(proto, folder), proto


def test_external_data_that_are_missing(tmp_path: Path) -> None:
    path, _ = _external(tmp_path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(OnnxFileError, match=r"keeps weights in 'weights.bin' beside it, and there is no such file"):
        load(path)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../secret", "C:\\x", "..\\secret", "", "link"])
def test_external_data_outside_the_folder_are_never_read(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"x" * 4096)
    (folder / "link").symlink_to(tmp_path / "secret")
    path, proto = _external(folder)
    for entry in proto.graph.initializer[0].external_data:
        entry.value = location if entry.key == "location" else entry.value
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(OnnxFileError, match="outside its own folder"):
        load(path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("offset", "999999", "lies beyond"),
        ("offset", "-4", "lies beyond"),
        ("offset", "many", "does not say where"),
        ("length", "1" + "0" * 20, "lies beyond"),
        ("length", "8", "has 8 bytes of data"),
    ],
)
def test_external_data_that_are_not_what_the_file_says(key: str, value: str, said: str, tmp_path: Path) -> None:
    path, proto = _external(tmp_path)
    for entry in proto.graph.initializer[0].external_data:
        entry.value = value if entry.key == key else entry.value
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(OnnxFileError, match=said):
        load(path)


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotFoundError, match="There is no file"):
        load(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("I am no ONNX file.\n" * 9)
    with pytest.raises(OnnxFileError, match="is damaged, or is no ONNX file"):
        load(tmp_path / "text.onnx")
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(OnnxFileError, match="operator set unknown"):
        load(tmp_path / "empty.onnx")
    monkeypatch.setattr("expunge.vision.onnx._file.MOST_BYTES", 100)
    with pytest.raises(OnnxFileError, match="at most 100 are read"):
        load(save(network(), tmp_path))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = util.find_spec
    monkeypatch.setattr("expunge.vision.onnx._file.find_spec", lambda name: None if name == "onnx" else found(name))
    with pytest.raises(MissingExtraError, match=r"need onnx, not installed.*expunge\[onnx\]"):
        load(save(network(), tmp_path))


def test_pictures_of_another_size(tmp_path: Path) -> None:
    with pytest.raises(OnnxFileError, match=r"expected pictures of \(8, 8\) pixels; got \(16, 16\)"):
        load(save(network(), tmp_path))(torch.zeros(1, 3, 16, 16))


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    data = network().SerializeToString().replace(b"patch.weight", b"\x80atch.weight")
    (tmp_path / "net.onnx").write_bytes(data)
    with pytest.raises(OnnxFileError, match="a name that is no text"):
        load(tmp_path / "net.onnx")


DATA = network().SerializeToString()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "net.onnx"


def _load_or_refuse(data: bytes, path: Path) -> None:
    """Nothing but a model or an error of ours; any other goes on to fail the test."""
    path.write_bytes(data)
    with suppress(ExpungeError):
        load(path)


MUTATIONS = {
    "changes": st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), max_size=6),
    "cut": st.integers(0, len(DATA)) | st.just(len(DATA)),
    "more": st.binary(max_size=8),
}


def _mutated(changes: list[tuple[int, int]], cut: int, more: bytes) -> bytes:
    data = bytearray(DATA)
    for position, value in changes:
        data[position] = value
    return bytes(data[:cut]) + more


@settings(max_examples=40, deadline=None)
@given(**MUTATIONS)
def test_whatever_the_bytes(changes: list[tuple[int, int]], cut: int, more: bytes, scratch: Path) -> None:
    _load_or_refuse(_mutated(changes, cut, more), scratch)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(**MUTATIONS)
def test_whatever_many_more_bytes(changes: list[tuple[int, int]], cut: int, more: bytes, scratch: Path) -> None:
    _load_or_refuse(_mutated(changes, cut, more), scratch)


STRUCTURE = json.dumps([one.op_type for one in network().graph.node])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_the_graph(data: st.DataObject, scratch: Path) -> None:
    _load_or_refuse(_drawn(data).SerializeToString(), scratch)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_whatever_many_more_graphs(data: st.DataObject, scratch: Path) -> None:
    _load_or_refuse(_drawn(data).SerializeToString(), scratch)


def _drawn(data: st.DataObject) -> onnx.ModelProto:
    """A well-formed file of which some nodes, names, shapes and settings are drawn anew."""
    proto = network()
    names = [name for one in proto.graph.node for name in (*one.input, *one.output)] + ["", "nowhere"]
    ops = [*json.loads(STRUCTURE), "Shape", "Gather", "Slice", "Concat", "Split", "Pad", "Resize", "Constant", "If"]
    for _ in range(data.draw(st.integers(1, 3))):
        one = proto.graph.node[data.draw(st.integers(0, len(proto.graph.node) - 1))]
        what = data.draw(st.sampled_from(["op", "input", "output", "setting", "drop", "dims", "type"]))
        if what == "op":
            one.op_type = data.draw(st.sampled_from(ops))
        elif what == "input":
            one.input[data.draw(st.integers(0, len(one.input) - 1))] = data.draw(st.sampled_from(names))
        elif what == "output":
            one.output[0] = data.draw(st.sampled_from(names))
        elif what == "setting":
            key = data.draw(
                st.sampled_from(["axis", "axes", "perm", "pads", "strides", "group", "transB", "alpha", "to"])
            )
            numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)
            value = data.draw(
                numbers | st.lists(numbers, min_size=1, max_size=5) | st.floats(width=32) | st.text(max_size=3)
            )
            one.attribute.append(helper.make_attribute(key, value))
        elif what == "drop" and len(proto.graph.node) > 1:
            proto.graph.node.remove(one)
        elif what == "dims":
            tensor = proto.graph.initializer[data.draw(st.integers(0, len(proto.graph.initializer) - 1))]
            tensor.dims.append(data.draw(st.sampled_from([-1, 0, 1, 2, 1 << 40])))
        else:
            tensor = proto.graph.initializer[data.draw(st.integers(0, len(proto.graph.initializer) - 1))]
            tensor.data_type = data.draw(st.integers(-1, 30))
    return proto
