"""Edited models as the files that they came from: every other byte is what it was."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from expunge.adapters import Edit, EditStack, LowRank, load_edit, save_edit
from expunge.errors import OnnxFileError, OutputError
from expunge.vision import VisionModel, load_model
from expunge.vision.onnx._file import read_file
from expunge.vision.onnx._runtime import compare
from expunge.vision.onnx._wire import places
from expunge.vision.onnx._writing import write
from tests.vision.onnx_files import (
    CLASSES,
    INNER,
    WIDTH,
    by_hand,
    by_runtime,
    graph_of,
    load,
    network,
    numbers,
    pixels,
    save,
    save_apart,
)


def edited(model: VisionModel, *, masked: tuple[int, ...] = (1,), seed: int = 0) -> EditStack[VisionModel]:
    """A model with a low-rank change of its last layer that writes to the stream."""
    draw, stack = torch.Generator().manual_seed(seed), EditStack(model)
    low = LowRank(torch.randn(1, INNER, generator=draw), torch.randn(WIDTH, 1, generator=draw), 0.5)
    stack.push(Edit({model.blocks[-1].linears[-1]: low}, masked=masked))
    return stack


def test_an_edit_changes_the_numbers_of_its_initialisers_and_no_other_byte(tmp_path: Path) -> None:
    path = save(network(), tmp_path)
    stack = edited(load(path))
    changed = write(graph_of(stack.model), tmp_path / "out.onnx")
    assert set(changed) == {"blocks.1.down", "head.weight", "head.bias"}
    before, after = path.read_bytes(), (tmp_path / "out.onnx").read_bytes()
    assert len(before) == len(after)
    own = {i for name in changed for i in range(places(before)[name].start, sum(_span(before, name)))}
    differ = {i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}
    assert differ
    assert differ <= own
    old, new = onnx.load_from_string(before), onnx.load_from_string(after)
    for one in (old, new):
        del one.graph.initializer[:]
    assert old.SerializeToString() == new.SerializeToString()


def _span(data: bytes, name: str) -> tuple[int, int]:
    place = places(data)[name]
    return place.start, place.length


def test_the_runtime_answers_as_torch_does_and_as_arithmetic_says(tmp_path: Path) -> None:
    model = edited(load(save(network(), tmp_path))).model
    model.save(tmp_path / "out")
    out = tmp_path / "out" / "model.onnx"
    stored = {one.name: numpy_helper.to_array(one) for one in onnx.load(out).graph.initializer}
    found = by_runtime(out, pixels(5))
    torch.testing.assert_close(found, model(pixels(5)).logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found, by_hand(stored, pixels(5)), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, by_hand(numbers(), pixels(5)), rtol=1e-2, atol=1e-2)
    assert (found[:, 1] == -1e4).all()


def test_unedited_it_is_the_same_file(tmp_path: Path) -> None:
    path = save(network(), tmp_path)
    model = load(path)
    model.save(tmp_path / "out")
    assert (tmp_path / "out" / "model.onnx").read_bytes() == path.read_bytes()
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "expunge.json",
        "model.onnx",
        "preprocessor_config.json",
    ]
    said = json.loads((tmp_path / "out" / "expunge.json").read_text())
    assert (said["kind"], said["classes"]) == ("onnx", list(CLASSES))


def test_undone_it_is_the_same_file(tmp_path: Path) -> None:
    path = save(network(), tmp_path)
    model = load(path)
    before, stack = model.digest(), edited(model)
    assert model.digest() != before
    stack.undo()
    assert model.digest() == before
    write(graph_of(model), tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").read_bytes() == path.read_bytes()


def test_a_directory_reads_back_bit_for_bit(tmp_path: Path) -> None:
    model = edited(load(save(network(), tmp_path))).model
    model.save(tmp_path / "out")
    again = load_model(tmp_path / "out")
    assert again.digest() == model.digest()
    assert (again.classes, again.blocks, again.head_name) == (model.classes, model.blocks, model.head_name)
    assert torch.equal(again(pixels()).logits, model(pixels()).logits)
    again.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.onnx").read_bytes() == (tmp_path / "out" / "model.onnx").read_bytes()
    with pytest.raises(OutputError):
        again.save(tmp_path / "again")


def test_an_edit_is_kept_in_the_layout_of_peft_and_fits_the_file_again(tmp_path: Path) -> None:
    path = save(network(), tmp_path)
    stack = edited(load(path))
    save_edit(stack.edits[0], tmp_path / "edit")
    assert json.loads((tmp_path / "edit" / "adapter_config.json").read_text())["peft_type"] == "LORA"
    other = EditStack(load(path))
    other.push(load_edit(tmp_path / "edit"))
    assert other.model.digest() == stack.model.digest()


@pytest.mark.parametrize("one_file", [True, False])
def test_external_data_are_written_beside_with_only_their_numbers_changed(one_file: bool, tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    save_apart(network(), place, one_file=one_file)
    model = edited(load(place / "net.onnx")).model
    torch.testing.assert_close(load(place / "net.onnx")(pixels()).logits, by_hand(numbers(), pixels()))
    model.save(tmp_path / "out")
    assert (tmp_path / "out" / "model.onnx").read_bytes() == (place / "net.onnx").read_bytes()
    beside = [one for one in place.iterdir() if one.name != "net.onnx"]
    sizes = {one.name: one.stat().st_size for one in beside}
    assert sizes == {name: (tmp_path / "out" / name).stat().st_size for name in sizes}
    differ = {name for name in sizes if (place / name).read_bytes() != (tmp_path / "out" / name).read_bytes()}
    assert differ == ({"weights.bin"} if one_file else {"blocks.1.down", "head.weight", "head.bias"})
    found = by_runtime(tmp_path / "out" / "model.onnx", pixels())
    torch.testing.assert_close(found, model(pixels()).logits, rtol=1e-4, atol=1e-4)
    assert load_model(tmp_path / "out").digest() == model.digest()


def test_a_field_that_no_version_knows_stays(tmp_path: Path) -> None:
    """Protobuf would put an unknown field elsewhere, or drop it; here it is a byte like any other."""
    data = network().SerializeToString()
    unknown = b"\xfa\x3e\x05hello"  # field 1007, five bytes
    (tmp_path / "net.onnx").write_bytes(unknown + data)
    write(graph_of(edited(load(tmp_path / "net.onnx")).model), tmp_path / "out.onnx")
    written = (tmp_path / "out.onnx").read_bytes()
    assert written.startswith(unknown)
    assert len(written) == len(unknown + data)


def test_a_file_that_answers_otherwise_is_noticed(tmp_path: Path) -> None:
    path = save(network(), tmp_path)
    model = load(path)
    assert compare(graph_of(model), path, 1e-5) < 1e-5
    edited(model)
    with pytest.raises(OnnxFileError, match="answers otherwise in ONNX Runtime"):
        compare(graph_of(model), path, 1e-3)


def test_numbers_in_a_form_that_cannot_be_replaced(tmp_path: Path) -> None:
    """Field 4, float_data, one number at a time instead of packed: old writers did so."""
    proto = network()
    (tensor,) = [one for one in proto.graph.initializer if one.name == "head.bias"]
    values = numpy_helper.to_array(tensor)
    tensor.ClearField("raw_data")
    unpacked = b"".join(b"\x25" + value.tobytes() for value in values)
    message = b"\x08\x05\x10\x01\x42\x09head.bias" + unpacked
    (other,) = [one for one in proto.graph.initializer if one.name == "head.bias"]
    proto.graph.initializer.remove(other)
    rest = proto.SerializeToString()
    graph = b"\x2a" + bytes([len(message)]) + message
    (tmp_path / "net.onnx").write_bytes(rest + b"\x3a" + bytes([len(graph)]) + graph)
    model = load(tmp_path / "net.onnx")
    torch.testing.assert_close(model(pixels()).logits, by_hand(numbers(), pixels()), rtol=1e-5, atol=1e-5)
    edited(model, masked=())
    write(graph_of(model), tmp_path / "fine.onnx")
    edited(model)
    with pytest.raises(OnnxFileError, match=r"keeps 'head.bias' in a form"):
        write(graph_of(model), tmp_path / "out.onnx")


def test_places_are_where_the_numbers_are() -> None:
    data = network().SerializeToString()
    found = places(data)
    for name, values in numbers().items():
        place = found[name]
        assert data[place.start : place.start + place.length] == values.tobytes(), name


def test_the_file_is_kept_as_it_was_read(tmp_path: Path) -> None:
    """What lies on disk may change or go meanwhile."""
    path = save(network(), tmp_path)
    model, data = load(path), path.read_bytes()
    path.unlink()
    write(graph_of(model), tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").read_bytes() == data
    assert np.array_equal(
        read_file(tmp_path / "out.onnx").array(network().graph.initializer[0]), numbers()["patch.weight"]
    )
