"""Publishing, going back, pruning; and what is refused."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from transformers import AutoModelForImageClassification

from expunge.adapters import Edit, EditStack, load_edit, save_edit
from expunge.errors import OutputError, ReleaseDamagedError, ReleaseError, ReleaseNotFoundError
from expunge.release import ReleaseRecord, Releases, edit_digest
from expunge.vision import VisionModel, load_weights, standard_preprocess
from tests.release.models import an_edit, pixels, tiny

NOON = "2026-11-24T12:00:00Z"


class Served:
    """A model that is edited and released step by step."""

    def __init__(self, folder: Path) -> None:
        self.releases = Releases(folder)
        self.model = tiny()
        self.stack = EditStack(self.model)
        self.before = self.model.digest()

    def publish(self, edit: Edit | None = None, **more: Any) -> ReleaseRecord:
        if edit:
            self.stack.push(edit)
        values: dict[str, Any] = {"before": self.before, "time": NOON} | more
        return self.releases.publish(self.model, self.stack.edits, **values)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path / "releases")


def test_a_release_is_recorded_and_loads_in_plain_transformers(served: Served) -> None:
    edit = an_edit(served.model)
    first, second = served.publish(), served.publish(edit, note="request 7")
    assert (first.number, first.previous, first.edits, first.weights_after) == (1, None, (), served.before)
    assert (second.number, second.previous, second.note, second.time) == (2, 1, "request 7", NOON)
    assert second.edits == (edit_digest(edit),)
    assert (second.weights_before, second.weights_after) == (served.before, served.model.digest())
    assert served.releases.current() == second == served.releases.record(2)
    assert sorted(path.name for path in served.releases.folder.iterdir()) == ["0001", "0002", "current"]
    plain = AutoModelForImageClassification.from_pretrained(served.releases.model_folder(2)).eval()
    with torch.no_grad():
        assert torch.equal(plain(pixels()).logits, served.model(pixels()).logits)


def test_going_back_restores_the_same_bits(served: Served) -> None:
    served.publish()
    logits = served.model(pixels()).logits.clone()
    weights = (served.releases.model_folder(1) / "model.safetensors").read_bytes()
    served.publish(an_edit(served.model))
    served.publish(an_edit(served.model, masked=(2,), seed=4))
    assert served.releases.rollback().number == 2
    back = served.releases.rollback()
    now = served.releases.load()
    assert (back.number, now.digest()) == (1, served.before)
    assert torch.equal(now(pixels()).logits, logits)
    assert (served.releases.model_folder(1) / "model.safetensors").read_bytes() == weights
    with pytest.raises(ReleaseError, match="to go back to"):
        served.releases.rollback()
    assert served.releases.rollback(to=3).number == 3
    # What comes after a step back goes back to where that step led, and no number is given twice.
    served.releases.rollback(to=1)
    fourth = served.publish(note="anew")
    assert (fourth.number, fourth.previous) == (4, 1)


def test_an_edit_has_one_digest_in_memory_and_on_disk(tmp_path: Path) -> None:
    model = tiny()
    edit = an_edit(model)
    save_edit(edit, tmp_path / "edit")
    assert edit_digest(load_edit(tmp_path / "edit")) == edit_digest(edit)
    dense = {"classifier.bias": torch.zeros(5)}
    others = [an_edit(model, masked=()), an_edit(model, seed=4), Edit(), Edit(masked=(1,)), Edit(dense=dense)]
    assert len({edit_digest(one) for one in (edit, *others)}) == 6


def test_the_same_call_again_makes_no_second_release(served: Served) -> None:
    served.publish()
    assert served.publish() == served.publish()
    assert served.releases.numbers() == (1,)
    assert served.publish(time="2026-11-24T12:00:01Z").number == 2


@pytest.mark.parametrize("how", ["weights", "truncated", "config", "added", "missing", "link"])
def test_a_changed_release_is_never_served(how: str, served: Served, tmp_path: Path) -> None:
    served.publish()
    served.publish(an_edit(served.model))
    folder = served.releases.model_folder(1)
    path = folder / "model.safetensors"
    data = path.read_bytes()
    if how == "weights":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "config":
        (folder / "config.json").write_text((folder / "config.json").read_text().replace("ant", "gnu"))
    elif how == "added":
        (folder / "expunge.json").write_text("{}")
    elif how == "missing":
        (folder / "preprocessor_config.json").unlink()
    else:
        (tmp_path / "elsewhere").write_bytes(data)
        path.unlink()
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReleaseDamagedError):
        served.releases.rollback()
    with pytest.raises(ReleaseDamagedError):
        served.releases.load(1)
    now = served.releases.current()
    assert now is not None
    assert now.number == 2


def test_a_damaged_pointer_is_written_again_by_going_to_a_number(served: Served) -> None:
    served.publish()
    (served.releases.folder / "current").write_text('{"schema": "expunge/current-rel')
    for wrong in (served.releases.current, served.releases.rollback, served.publish):
        with pytest.raises(ReleaseDamagedError, match="current is damaged"):
            wrong()
    served.releases.rollback(to=1)
    assert served.releases.load().digest() == served.before


def test_records_are_read_strictly(served: Served) -> None:
    served.publish()
    path = served.releases.folder / "0001" / "release.json"
    record = json.loads(path.read_text())
    for change, error, message in (
        ({"schema": "expunge/release/v2"}, ReleaseError, "Update it"),
        ({"number": 7}, ReleaseDamagedError, "moved or copied"),
        ({"weights_after": "0"}, ReleaseDamagedError, "weights_after"),
        ({"extra": 1}, ReleaseDamagedError, "extra"),
    ):
        path.write_text(json.dumps(record | change))
        with pytest.raises(error, match=message):
            served.releases.current()
    path.unlink()
    with pytest.raises(ReleaseNotFoundError):
        served.releases.current()


@pytest.mark.parametrize("wrong", [{"time": "yesterday"}, {"before": "abc"}, {"note": "x" * 501}])
def test_what_a_record_cannot_hold_is_refused_before_anything_is_written(wrong: dict, served: Served) -> None:
    with pytest.raises(ReleaseError, match="cannot be described"):
        served.publish(**wrong)
    assert list(served.releases.folder.iterdir()) == []


def test_weights_that_do_not_read_back_are_refused(served: Served) -> None:
    served.publish()
    served.model.module.bfloat16()
    with pytest.raises(ReleaseDamagedError, match="Models are read in float32"):
        served.publish()
    now = served.releases.current()
    assert now is not None
    assert now.weights_after == served.before


def test_pruning_keeps_what_can_be_gone_back_to(served: Served) -> None:
    with pytest.raises(ReleaseError, match="Expected a current release"):
        served.releases.prune()
    for second in range(4):
        served.publish(time=f"2026-11-24T12:00:0{second}Z")
    served.releases.rollback(to=3)
    assert served.releases.prune() == (1, 4)
    assert served.releases.prune() == ()
    assert served.releases.numbers() == (1, 2, 3, 4)
    assert served.releases.record(1).number == 1
    with pytest.raises(ReleaseNotFoundError, match="was pruned"):
        served.releases.rollback(to=1)
    with pytest.raises(ReleaseNotFoundError, match="does not exist"):
        served.releases.rollback(to=9)
    assert served.publish(time="2026-11-24T12:00:03Z").number == 5  # 4 was the same, but its model is gone
    served.releases.rollback(to=2)
    assert served.releases.prune(keep=0) == (3, 5)
    assert sorted(path.name for path in (served.releases.folder / "0005").iterdir()) == ["release.json"]


def test_a_module_that_transformers_does_not_know(tmp_path: Path) -> None:
    inner = tiny().module

    class Wrapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            return self.inner(pixel_values).logits

    preprocess = standard_preprocess(32, (0.5,) * 3, (0.5,) * 3)
    model = VisionModel(Wrapped(), tuple("abcde"), preprocess=preprocess)
    releases = Releases(tmp_path / "releases", load=lambda folder: load_weights(Wrapped(), folder))
    releases.publish(model, (), before=model.digest(), time=NOON)
    assert releases.load().digest() == model.digest()
    with pytest.raises(ReleaseDamagedError, match="does not load"):
        Releases(tmp_path / "releases").load()


def test_a_disk_that_refuses(served: Served, tmp_path: Path) -> None:
    served.publish()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        Releases(tmp_path / "file").publish(served.model, (), before=served.before, time=NOON)
    if os.getuid():
        served.releases.folder.chmod(0o500)
        with pytest.raises(OutputError, match="cannot write"):
            served.publish(note="another")
        served.releases.folder.chmod(0o700)


def test_a_release_can_be_copied_elsewhere_whole(served: Served, tmp_path: Path) -> None:
    served.publish()
    shutil.copytree(served.releases.folder, tmp_path / "copy")
    assert Releases(tmp_path / "copy").load().digest() == served.before


def test_an_onnx_file_is_part_of_the_release(served: Served) -> None:
    record = served.publish(an_edit(served.model), onnx_pixels=pixels())
    path = served.releases.model_folder(1) / "onnx" / "model.onnx"
    assert record.onnx is not None
    assert (record.onnx.opset, record.onnx.images) == (18, 3)
    assert record.onnx.largest_difference < 1e-4
    found = onnxruntime.InferenceSession(path).run(["logits"], {"pixel_values": pixels().numpy()})[0]
    assert torch.allclose(torch.from_numpy(found), served.model(pixels()).logits, atol=1e-4)
    served.releases.load()
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ReleaseDamagedError, match=r"model\.onnx was changed"):
        served.releases.load()
