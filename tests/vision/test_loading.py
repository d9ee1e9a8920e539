"""Models that cannot be loaded, and what the user is told."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import transformers
from torch import Tensor

from expunge.errors import (
    CorruptWeightsError,
    HeadError,
    ModelNotFoundError,
    NoBlocksError,
    UnsafeWeightsError,
)
from expunge.vision import VisionModel, load_model, load_weights
from tests.vision.conformance import CLASSES, pixels, randomise
from tests.vision.conftest import wrap
from tests.vision.handmade import EncoderViT


def edit(path: Path, change: Callable[[dict], object]) -> None:
    """Changes a JSON file."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def edit_tensors(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Changes a safetensors file."""
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    safetensors.torch.save_file(tensors, path, {"format": "pt"})


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


def test_a_transformers_cnn_has_no_blocks(tmp_path: Path) -> None:
    config = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8],
        depths=[1, 1],
        layer_type="basic",
        id2label=dict(enumerate(CLASSES)),
    )
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path)
    transformers.ConvNextImageProcessorPil(size={"shortest_edge": 32}).save_pretrained(tmp_path)
    with pytest.raises(NoBlocksError, match="ResNetForImageClassification"):
        load_model(tmp_path)


# --- Headed backbones ----------------------------------------------------------------------------


def test_head_rows_must_match_the_classes(headed_folder: Path) -> None:
    edit(headed_folder / "expunge.json", lambda values: values["classes"].pop())
    with pytest.raises(HeadError, match="4 in all; found 5"):
        load_model(headed_folder)


def test_head_columns_must_match_the_backbone(headed_folder: Path) -> None:
    edit_tensors(headed_folder / "head.safetensors", lambda tensors: tensors.update(weight=torch.zeros(5, 9)))
    with pytest.raises(HeadError, match="9 numbers an image; the backbone gives 16"):
        load_model(headed_folder)


def test_a_headed_backbone_without_head_is_reported(headed_folder: Path) -> None:
    (headed_folder / "head.safetensors").unlink()
    with pytest.raises(CorruptWeightsError, match=r"head\.safetensors is missing"):
        load_model(headed_folder)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda tensors: tensors.pop("weight"), id="no weight"),
        pytest.param(lambda tensors: tensors.pop("bias"), id="no bias"),
        pytest.param(lambda tensors: tensors.update(more=torch.zeros(1)), id="more"),
        pytest.param(lambda tensors: tensors.update(weight=torch.zeros(5)), id="one dimension"),
    ],
)
def test_a_head_that_does_not_fit_is_reported(headed_folder: Path, change: Callable[[dict], object]) -> None:
    edit_tensors(headed_folder / "head.safetensors", change)
    with pytest.raises(CorruptWeightsError, match=r"head\.safetensors"):
        load_model(headed_folder)


def test_a_truncated_head_is_reported(headed_folder: Path) -> None:
    path = headed_folder / "head.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(CorruptWeightsError, match=r"head\.safetensors is damaged"):
        load_model(headed_folder)


def test_a_backbone_that_lacks_tensors_is_reported(headed_folder: Path) -> None:
    edit_tensors(headed_folder / "model.safetensors", lambda tensors: tensors.pop("layernorm.weight"))
    with pytest.raises(CorruptWeightsError, match=r"layernorm\.weight"):
        load_model(headed_folder)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda values: values.update(schema="expunge/model/v9"), id="schema"),
        pytest.param(lambda values: values.update(kind="other"), id="kind"),
        pytest.param(lambda values: values.pop("kind"), id="no kind"),
        pytest.param(lambda values: values.update(pooling="max"), id="pooling"),
        pytest.param(lambda values: values.update(head={"kind": "other"}), id="head"),
        pytest.param(lambda values: values.update(head=3), id="head of another type"),
        pytest.param(lambda values: values.update(classes=[]), id="no classes"),
        pytest.param(lambda values: values.update(classes=[1, 2, 3, 4, 5]), id="numbers"),
        pytest.param(lambda values: values.update(classes="abcde"), id="one text"),
    ],
)
def test_a_damaged_manifest_is_reported(headed_folder: Path, change: Callable[[dict], object]) -> None:
    edit(headed_folder / "expunge.json", change)
    with pytest.raises(CorruptWeightsError, match=r"expunge\.json cannot be read"):
        load_model(headed_folder)


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_manifest_that_is_no_object_is_reported(headed_folder: Path, text: str) -> None:
    (headed_folder / "expunge.json").write_text(text)
    with pytest.raises(CorruptWeightsError, match=r"expunge\.json cannot be read"):
        load_model(headed_folder)


# --- Weights of other modules --------------------------------------------------------------------


@pytest.fixture
def weights_folder(tmp_path: Path) -> Path:
    wrap(randomise(EncoderViT(5))).save(tmp_path / "weights")
    return tmp_path / "weights"


def test_weights_alone_need_a_module(weights_folder: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="load_weights"):
        load_model(weights_folder)


def test_weights_must_fit_the_module(weights_folder: Path) -> None:
    with pytest.raises(CorruptWeightsError, match="does not fit EncoderViT"):
        load_weights(EncoderViT(5, depth=2), weights_folder)


def test_damaged_weights_are_reported(weights_folder: Path) -> None:
    path = weights_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptWeightsError, match="damaged"):
        load_weights(EncoderViT(5), weights_folder)


def test_other_directories_hold_no_such_weights(headed_folder: Path, vit_folder: Path) -> None:
    for folder in (headed_folder, vit_folder):
        with pytest.raises(ModelNotFoundError, match="use load_model"):
            load_weights(EncoderViT(5), folder)


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
        unused = {"unused": torch.zeros(1)}  # transformers would log a report on it
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
