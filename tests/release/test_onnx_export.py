"""ONNX files of every architecture, plain and edited, against torch."""

import json
from importlib import util
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch

from expunge.adapters import EditStack
from expunge.errors import MissingExtraError, OnnxError
from expunge.release import OnnxCheck, check_onnx, export_onnx
from expunge.release._files import file_digest
from expunge.vision import VisionModel
from expunge.vision.heads import STRUCK_LOGIT
from tests.release.models import CLASSES, MAKERS, an_edit, pixels, tiny
from tests.vision import onnx_files


def run(path: Path, values: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"pixel_values": values.numpy()})[0])


@pytest.fixture(scope="module", params=MAKERS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, OnnxCheck]:
    """An edited model of each kind, exported: seconds each, so once. The model stays as it was."""
    path, model = tmp_path_factory.mktemp("exported") / "model.onnx", edited(request.param)
    before, logits = model.digest(), model(pixels()).logits
    attention = [_attention(part) for part in model.module.modules() if hasattr(part, "config")]
    checked = export_onnx(model, path, pixels())
    assert model.digest() == before
    assert torch.equal(model(pixels()).logits, logits)
    assert attention == [_attention(part) for part in model.module.modules() if hasattr(part, "config")]
    return request.param, path, checked


def _attention(part: Any) -> str:
    return part.config._attn_implementation


def edited(kind: str) -> VisionModel:
    model = tiny(kind)
    EditStack(model).push(an_edit(model))
    return model


def test_an_edited_model_answers_the_same(exported: tuple[str, Path, OnnxCheck]) -> None:
    kind, path, checked = exported
    model = edited(kind)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]
    assert (checked.sha256, checked.images) == (file_digest(path), 3)
    others = torch.randn(7, 3, 32, 32)  # another number of images than the export saw, and other images
    found, wanted = run(path, others), model(others).logits
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert (found[:, 1] == STRUCK_LOGIT).all()
    # The low-rank change is in it, and the model without it is noticed.
    with pytest.raises(OnnxError, match="answers otherwise than torch"):
        check_onnx(tiny(kind), path, pixels())


def test_the_file_says_what_it_is_and_names_no_path(exported: tuple[str, Path, OnnxCheck]) -> None:
    kind, path, _ = exported
    file = onnx.load(path)
    onnx.checker.check_model(file)
    assert [entry.version for entry in file.opset_import if not entry.domain] == [18]
    facts = {entry.key: entry.value for entry in file.metadata_props}
    assert facts["expunge.weights"] == edited(kind).digest()
    assert tuple(json.loads(facts["expunge.classes"])) == CLASSES
    assert b".py" not in path.read_bytes()


@pytest.mark.slow
def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_onnx(edited("vit"), tmp_path / name, pixels())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_damaged_file_and_no_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07junk")
    with pytest.raises(OnnxError, match="cannot run"):
        check_onnx(tiny(), tmp_path / "model.onnx", pixels())
    with pytest.raises(OnnxError, match="at least one image"):
        export_onnx(tiny(), tmp_path / "new.onnx", pixels(0))
    assert not (tmp_path / "new.onnx").exists()


def test_a_model_that_cannot_be_exported(tmp_path: Path) -> None:
    model = tiny()
    layer = model.linear(model.head_name)
    forward = layer.forward
    layer.forward = lambda input: forward(input) if input.sum().item() > -1e9 else input  # depends on values
    with pytest.raises(OnnxError, match="vit cannot be exported"):
        export_onnx(model, tmp_path / "model.onnx", pixels())
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = util.find_spec
    monkeypatch.setattr(
        "expunge.release.onnx.find_spec", lambda name: None if name.startswith("onnxr") else found(name)
    )
    with pytest.raises(MissingExtraError, match=r"need onnxruntime, not installed.*expunge\[onnx\]"):
        export_onnx(tiny(), tmp_path / "model.onnx", pixels())


def test_a_graph_is_not_exported_again(tmp_path: Path) -> None:
    model = onnx_files.load(onnx_files.save(onnx_files.network(), tmp_path))
    with pytest.raises(OnnxError, match=r"was read from an ONNX file.*model\.onnx"):
        export_onnx(model, tmp_path / "again.onnx", onnx_files.pixels())
    assert not (tmp_path / "again.onnx").exists()
