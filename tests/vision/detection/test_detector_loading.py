"""Detectors that cannot be loaded, pictures of several shapes, and what the user is told."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
import transformers
from torch import nn

from expunge.data import Box, FileSample, Scene, Scenes
from expunge.errors import (
    CorruptWeightsError,
    HeadError,
    MissingExtraError,
    ModelError,
    ModelNotFoundError,
    NoBlocksError,
    OutputError,
    UnsafeWeightsError,
)
from expunge.vision import standard_preprocess
from expunge.vision.detection import (
    Criterion,
    DetectionModel,
    DetectionPreprocess,
    load_detector,
    targets_of,
)
from expunge.vision.detection.loading import unique_names
from tests.vision.detection.detectors import (
    CLASSES,
    KINDS,
    MEAN,
    SIDE,
    STD,
    detr,
    load,
    picture,
    pixels,
    preprocess,
    write,
)

DETR, YOLOS = KINDS[0], KINDS[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(DETR, tmp_path / "detr")


def test_a_directory_is_loaded_under_its_name(folder: Path) -> None:
    model = load_detector(folder)
    assert (model.name, model.source, model.classes) == ("detr", folder, CLASSES)


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no directory .*absent"):
        load_detector(tmp_path / "absent")


def test_a_classifier_is_no_detector(tmp_path: Path) -> None:
    config = transformers.ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
    preprocess().save(tmp_path / "vit")
    with pytest.raises(HeadError, match="Expected an object detector"):
        load_detector(tmp_path / "vit")


def test_a_pickle_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeWeightsError, match="pickle"):
        load_detector(folder)


def test_missing_weights_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    del tensors["class_labels_classifier.weight"]
    safetensors.torch.save_file(tensors, path, {"format": "pt"})
    with pytest.raises(CorruptWeightsError, match=r"lack 1 parameters, among them class_labels_classifier\.weight"):
        load_detector(folder)


def test_a_backbone_of_timm_needs_timm(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["backbone_config"] = {"model_type": "timm_backbone", "backbone": "resnet18", "out_indices": [4]}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(MissingExtraError, match=r"expunge\[timm\]"):
        load_detector(folder)


def test_a_wrong_list_of_classes_is_refused() -> None:
    with pytest.raises(HeadError, match="one row a class, 7 in all"):
        DetectionModel(detr(), tuple("abcdefg"), preprocess=preprocess())


def test_rows_that_share_a_name_are_told_apart() -> None:
    assert unique_names(["N/A", "person", "N/A"]) == ["N/A (0)", "person", "N/A (2)"]


def test_a_folder_that_holds_something_is_left_alone(folder: Path) -> None:
    with pytest.raises(OutputError, match="empty or new"):
        load_detector(folder).save(folder)


class Handmade(nn.Module):
    """A detector that transformers does not know, with its residual connections outside its blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 16, 16)
        self.parts = nn.ModuleList(nn.ModuleList([nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 8))]) for _ in range(2))
        self.head, self.box = nn.Linear(8, 3), nn.Linear(8, 4)

    def forward(self, values: torch.Tensor) -> SimpleNamespace:
        hidden = self.patches(values).flatten(2).transpose(1, 2)
        for part in self.parts:
            for inner in part.children():
                hidden = hidden + inner(hidden)
        return SimpleNamespace(logits=self.head(hidden), pred_boxes=self.box(hidden).sigmoid())


def test_a_handmade_detector(tmp_path: Path) -> None:
    model = DetectionModel(Handmade(), CLASSES, preprocess=preprocess(), criterion=Criterion("focal"))
    assert [block.name for block in model.blocks] == ["parts.0.0", "parts.1.0"]
    assert model(pixels()).kind == "sigmoid"
    hidden = model.enter(pixels(), 1)
    with pytest.raises(NoBlocksError, match="features come out different"):
        model.resume(hidden, 1)
    with pytest.raises(NoBlocksError, match="block from 0 to 1"):
        model.enter(pixels(), 2)
    with pytest.raises(ModelError, match="is Conv2d"):
        model.linear("patches")
    with pytest.raises(ModelError, match="Only transformers detectors"):
        model.save(tmp_path / "copy")


# --- Pictures ------------------------------------------------------------------------------------


def padding() -> DetectionPreprocess:
    """As DETR was published: the shape of pictures is kept, and they are padded to one size."""
    processor = transformers.DetrImageProcessorPil(
        size={"shortest_edge": 64, "longest_edge": 96}, image_mean=list(MEAN), image_std=list(STD)
    )
    return DetectionPreprocess(processor)


def test_every_picture_is_brought_to_one_size() -> None:
    made = preprocess()([picture(50, 40), picture(30, 90).convert("L")])
    assert made.shape == (2, 3, SIDE, SIDE)
    assert preprocess().size == (SIDE, SIDE)


def test_padding_is_marked_and_changes_nothing_that_is_found(tmp_path: Path) -> None:
    model = load(DETR, tmp_path / "detr")
    model.preprocess = padding()
    wide, high = picture(90, 60), picture(60, 90)
    both = model.prepare([wide, high])
    assert both.shape == (2, 4, 96, 96)
    assert (both[0, 3, :, 0].sum(), both[0, 3, 0].sum()) == (64, 96)
    with torch.no_grad():
        output = model(both)
        alone = model(model.prepare([wide]))
        unmarked = model(both[:, :3])
    # The padded row has other features at the border of the picture, where convolutions see beyond it.
    near, far = (alone.boxes[0] - output.boxes[0]).abs().max(), (alone.boxes[0] - unmarked.boxes[0]).abs().max()
    assert near < far
    resumed = model.resume(model.enter(both, 2), 2, size=(96, 96))
    assert torch.equal(resumed.logits, output.logits)
    assert torch.equal(resumed.boxes, output.boxes)


def test_yolos_takes_no_mask(tmp_path: Path) -> None:
    model = load(YOLOS, tmp_path / "yolos")
    marked = torch.cat([pixels(), torch.ones(2, 1, SIDE, SIDE)], dim=1)
    assert torch.equal(model(marked).logits, model(pixels()).logits)


def test_a_processor_that_crops_is_refused() -> None:
    with pytest.raises(ModelError, match="crops pictures"):
        DetectionPreprocess(standard_preprocess(32, MEAN, STD).processor)


def test_no_images_give_no_pixels(tmp_path: Path) -> None:
    model = load(DETR, tmp_path / "detr")
    assert model.prepare([]).shape == (0, 3, SIDE, SIDE)
    mixed = model.prepare([pixels(1)[0], picture()])
    assert torch.equal(mixed[0], pixels(1)[0])


def test_targets_are_shares_of_the_picture(tmp_path: Path) -> None:
    sample = FileSample(tmp_path, "a.png")
    scene = Scene(sample, 200, 100, (Box((20.0, 10.0, 60.0, 90.0), 2),), (Box((0.0, 0.0, 200.0, 100.0), 1, True),))
    empty = Scene(FileSample(tmp_path, "b.png"), 10, 10)
    first, second = targets_of(Scenes((scene, empty), CLASSES))
    assert first.labels.tolist() == [2]  # the group is no target
    assert first.boxes.tolist()[0] == pytest.approx([0.2, 0.5, 0.2, 0.8])
    assert (len(second), second.boxes.shape) == (0, (0, 4))
    assert len(targets_of(Scenes((scene, empty), CLASSES), [1])[0]) == 0
