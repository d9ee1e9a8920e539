"""Models that cannot be loaded, and what the user is told."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
import transformers

from expunge.errors import (
    CorruptWeightsError,
    HeadError,
    ModelNotFoundError,
    UnsafeWeightsError,
)
from expunge.vision import VisionModel, load_model
from tests.vision.conformance import CLASSES, pixels
from tests.vision.conftest import edit, edit_tensors


def test_a_directory_is_loaded_under_its_name(vit_folder: Path) -> None:
    model = load_model(vit_folder)
    assert (model.name, model.source, model.classes) == ("vit", vit_folder, CLASSES)
    assert torch.equal(load_model(str(vit_folder))(pixels()).logits, model(pixels()).logits)


def test_half_precision_is_widened(vit_folder: Path) -> None:
    before = load_model(vit_folder)(pixels()).logits
    path = vit_folder / "model.safetensors"
    edit_tensors(path, lambda tensors: tensors.update({name: t.half() for name, t in tensors.items()}))
    edit(vit_folder / "config.json", lambda config: config.update(dtype="float16"))
    model = load_model(vit_folder)
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.float32}
    torch.testing.assert_close(model(pixels()).logits, before, rtol=0.05, atol=0.05)


def test_sharded_safetensors_are_read(vit_folder: Path, tmp_path: Path) -> None:
    model = load_model(vit_folder)
    assert isinstance(model.module, transformers.PreTrainedModel)
    model.module.save_pretrained(tmp_path / "sharded", max_shard_size="10KB")
    model.preprocess.save(tmp_path / "sharded")
    assert (tmp_path / "sharded" / "model.safetensors.index.json").is_file()
    assert load_model(tmp_path / "sharded").digest() == model.digest()


# --- Not there -----------------------------------------------------------------------------------


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no directory .*absent"):
        load_model(tmp_path / "absent")


@pytest.mark.parametrize("name", ["nobody/nothing", "no-such-model", "not a name", "a/b/c"])
def test_a_name_that_is_neither_directory_nor_hub_model_names_both(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=rf"no directory '{name}'.*no model '{name}'.*Hub"):
        load_model(name)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub, as a machine that once was online has it."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached(hub_cache: Path, repo: str) -> Path:
    """The directory of a cached model."""
    folder = hub_cache / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    return folder / "snapshots" / ("0" * 40)


def test_a_hub_model_is_loaded_under_its_id(vit_folder: Path, hub_cache: Path) -> None:
    shutil.copytree(vit_folder, cached(hub_cache, "somebody/tiny-vit"))
    model = load_model("somebody/tiny-vit")
    assert (model.name, model.classes) == ("somebody/tiny-vit", CLASSES)
    assert model.digest() == load_model(vit_folder).digest()


def test_a_hub_model_without_safetensors_is_refused(vit_folder: Path, hub_cache: Path) -> None:
    folder = cached(hub_cache, "somebody/pickled")
    shutil.copytree(vit_folder, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeWeightsError, match="'somebody/pickled' has no safetensors"):
        load_model("somebody/pickled")


def test_a_directory_without_config_is_reported(vit_folder: Path) -> None:
    (vit_folder / "config.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"no config\.json"):
        load_model(vit_folder)


def test_a_directory_without_weights_is_reported(vit_folder: Path) -> None:
    (vit_folder / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match="no weights"):
        load_model(vit_folder)


def test_a_directory_without_preprocessing_is_reported(vit_folder: Path) -> None:
    (vit_folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"preprocessor_config\.json"):
        load_model(vit_folder)


def test_an_adapter_is_no_model(vit_folder: Path) -> None:
    (vit_folder / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/else"}')
    with pytest.raises(ModelNotFoundError, match="PEFT adapter"):
        load_model(vit_folder)


# --- Not safe ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pth", "weights.ckpt"])
def test_a_pickle_is_never_read(vit_folder: Path, name: str) -> None:
    (vit_folder / "model.safetensors").unlink()
    (vit_folder / name).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(UnsafeWeightsError, match=rf"only as {name}, a pickle"):
        load_model(vit_folder)


def test_an_index_cannot_smuggle_a_pickle_in(vit_folder: Path) -> None:
    (vit_folder / "model.safetensors").unlink()
    torch.save({"classifier.weight": torch.zeros(5, 16)}, vit_folder / "part.bin")
    index = {"metadata": {}, "weight_map": {"classifier.weight": "part.bin"}}
    (vit_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UnsafeWeightsError, match=r"part\.bin"):
        load_model(vit_folder)


def test_a_config_cannot_name_other_weights(vit_folder: Path) -> None:
    edit(vit_folder / "config.json", lambda config: config.update(transformers_weights="adapter_model.bin"))
    with pytest.raises(UnsafeWeightsError, match="a weights file of its own"):
        load_model(vit_folder)


def test_code_of_the_model_is_never_run(vit_folder: Path) -> None:
    (vit_folder / "code.py").write_text("raise SystemExit(1)")
    remote = {"AutoConfig": "code.C", "AutoModelForImageClassification": "code.M"}
    edit(vit_folder / "config.json", lambda config: config.update(model_type="own", auto_map=remote))
    with pytest.raises(UnsafeWeightsError, match="never run"):
        load_model(vit_folder)


# --- Not whole -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="truncated"),
        pytest.param(lambda data: b"garbage" * 100, id="garbage"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data + b"more", id="longer"),
    ],
)
def test_damaged_safetensors_are_reported(vit_folder: Path, damage: Callable[[bytes], bytes]) -> None:
    path = vit_folder / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CorruptWeightsError, match=r"safetensors in .* are damaged"):
        load_model(vit_folder)


def test_a_missing_classifier_is_never_made_up(vit_folder: Path) -> None:
    edit_tensors(vit_folder / "model.safetensors", lambda tensors: tensors.pop("classifier.weight"))
    with pytest.raises(CorruptWeightsError, match=r"lack classifier\.weight"):
        load_model(vit_folder)


def test_tensors_of_the_wrong_shape_are_reported(vit_folder: Path) -> None:
    wrong = {"classifier.weight": torch.zeros(7, 16)}
    edit_tensors(vit_folder / "model.safetensors", lambda tensors: tensors.update(wrong))
    with pytest.raises(CorruptWeightsError, match=r"classifier\.weight is \(7, 16\), not \(5, 16\)"):
        load_model(vit_folder)


@pytest.mark.parametrize("text", ["{", "", '{"hidden_size": 3}', '{"model_type": "no-such-type"}', "[]"])
def test_a_damaged_config_is_reported(vit_folder: Path, text: str) -> None:
    (vit_folder / "config.json").write_text(text)
    with pytest.raises(CorruptWeightsError, match=r"config\.json cannot be read"):
        load_model(vit_folder)


def test_a_damaged_index_is_reported(vit_folder: Path) -> None:
    (vit_folder / "model.safetensors").unlink()
    (vit_folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(CorruptWeightsError, match=r"index\.json cannot be read"):
        load_model(vit_folder)


# --- Not an image classifier ---------------------------------------------------------------------


def test_a_text_model_is_no_image_classifier(vit_folder: Path) -> None:
    (vit_folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(HeadError, match="'bert'"):
        load_model(vit_folder)


# --- Quiet ---------------------------------------------------------------------------------------

LOAD = """
import sys
from expunge.vision import load_model
assert "transformers" not in sys.modules and "timm" not in sys.modules, "imported too early"
model = load_model(sys.argv[1])
model.save(sys.argv[2])
from transformers.utils import logging
assert logging.get_verbosity() == logging.WARNING
assert logging.is_progress_bar_enabled()
"""


class Collect(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self.records = records

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_loading_and_saving_print_and_log_nothing(
    vit_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    records: list[logging.LogRecord] = []
    handler = Collect(records)
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    try:
        unused = {"vit.num_batches_tracked": torch.zeros(1)}  # transformers would log a report on it
        edit_tensors(vit_folder / "model.safetensors", lambda tensors: tensors.update(unused))
        capfd.readouterr()
        load_model(vit_folder).save(tmp_path / "copy")
    finally:
        logger.removeHandler(handler)
    assert capfd.readouterr() == ("", "")
    assert records == []


@pytest.mark.slow
def test_a_fresh_process_is_quiet_and_imports_late(headed: VisionModel, tmp_path: Path) -> None:
    headed.save(tmp_path / "model")
    command = [sys.executable, "-W", "error", "-c", LOAD, str(tmp_path / "model"), str(tmp_path / "copy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
