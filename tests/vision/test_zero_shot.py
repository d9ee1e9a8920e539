"""A CLIP or SigLIP and class names: the classifier answers as the published model does, and keeps no text model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors import safe_open
from torch import Tensor
from transformers import CLIPTokenizer

from expunge.vision import CosineClassifier, VisionModel, load_model, load_zero_shot, read_classes
from tests import toy_clip
from tests.vision.conformance import pictures, pixels, randomise

NAMES = ("ant", "honey bee", "c4t")
TEMPLATES = ("a photo of a {}.", "{}, {}", "the {}")
KINDS = {"clip": toy_clip.clip, "siglip": toy_clip.siglip}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(kind: str, tmp_path: Path) -> Path:
    return toy_clip.write(randomise(KINDS[kind]()), tmp_path / kind)


def tokens(kind: str, folder: Path, sentences: Sequence[str]) -> dict[str, Tensor]:
    """As the models' own pages call their tokenizers."""
    how = {"padding": "max_length", "max_length": toy_clip.LONGEST} if kind == "siglip" else {"padding": True}
    return dict(CLIPTokenizer.from_pretrained(folder)(list(sentences), return_tensors="pt", **how))


def published(folder: Path) -> Any:
    return transformers.AutoModel.from_pretrained(folder)


def rows(model: VisionModel) -> CosineClassifier:
    head = model.module.get_submodule(model.head_name)
    assert isinstance(head, CosineClassifier)
    return head


def test_logits_are_those_of_image_and_text(kind: str, folder: Path) -> None:
    model = load_zero_shot(folder, NAMES)
    words = tokens(kind, folder, [f"a photo of a {name}." for name in NAMES])
    with torch.no_grad():
        expected = published(folder)(**words, pixel_values=pixels()).logits_per_image
        found = model(pixels()).logits
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (model.classes, model.head.kind, model.text_model) == (NAMES, "cosface", kind)
    assert rows(model).bias.any() == (kind == "siglip")  # SigLIP's own bias is in its logits


def test_a_row_is_the_mean_direction_of_its_sentences(kind: str, folder: Path) -> None:
    model = load_zero_shot(folder, NAMES, templates=TEMPLATES)
    for number, name in enumerate(NAMES):
        sentences = [f"a photo of a {name}.", f"{name}, {name}", f"the {name}"]
        with torch.no_grad():
            each = [
                published(folder).get_text_features(**tokens(kind, folder, [one])).pooler_output[0] for one in sentences
            ]
        mean = torch.stack([one / one.norm() for one in each]).mean(0)
        torch.testing.assert_close(rows(model).weight[number], mean / mean.norm(), rtol=1e-4, atol=1e-5)


def test_words_may_differ_from_names(folder: Path) -> None:
    plain, named = load_zero_shot(folder, ["dog", "cat"]), load_zero_shot(folder, {"n02": "dog", "n01": "cat"})
    assert named.classes == ("n02", "n01")
    assert named.digest() == plain.digest()
    assert not torch.equal(rows(named).weight, rows(load_zero_shot(folder, ["n02", "n01"])).weight)


def test_many_sentences_are_read_in_parts(folder: Path) -> None:
    """More than one batch of sentences, of many lengths, gives the rows that each class has alone."""
    many = [f"{'x' * (number % 9)}{number}" for number in range(150)]
    whole = rows(load_zero_shot(folder, many, templates=("{}", "a {}"))).weight
    for number in (0, 127, 128, 149):
        alone = rows(load_zero_shot(folder, [many[number]], templates=("{}", "a {}"))).weight[0]
        torch.testing.assert_close(whole[number], alone, rtol=1e-4, atol=1e-5)


def test_what_is_saved_needs_no_text_model(kind: str, folder: Path, tmp_path: Path) -> None:
    model = load_zero_shot(folder, NAMES, templates=TEMPLATES)
    model.save(tmp_path / "saved")
    assert not [path.name for path in (tmp_path / "saved").iterdir() if "token" in path.name or "vocab" in path.name]
    with safe_open(tmp_path / "saved/model.safetensors", framework="pt") as file:
        assert not [name for name in file.keys() if "text" in name or "logit" in name]  # noqa: SIM118 - it is no mapping
    copy = load_model(tmp_path / "saved")
    assert copy.digest() == model.digest()
    assert (copy.classes, copy.head, copy.text_model) == (NAMES, model.head, kind)
    assert torch.equal(copy(pixels()).logits, model(pixels()).logits)
    copy.save(tmp_path / "again")
    first, second = ((tmp_path / name / "expunge.json").read_text() for name in ("saved", "again"))
    assert first == second
    assert '"{}, {}"' in first


def test_a_hub_model_comes_with_its_tokenizer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def download(repo: str, allow_patterns: list[str]) -> str:
        asked.extend(allow_patterns)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    model = load_zero_shot("somebody/words", NAMES)
    assert (model.name, model.text_model) == ("somebody/words", "somebody/words")
    assert {path.name for path in folder.iterdir()} <= set(asked)
    assert not [name for name in asked if name.endswith((".bin", ".py", ".pt"))]


def test_pictures_are_prepared_as_published(folder: Path) -> None:
    expected = toy_clip.processor()(images=[one.convert("RGB") for one in pictures()], return_tensors="pt")
    torch.testing.assert_close(load_zero_shot(folder, NAMES).prepare(pictures()), expected["pixel_values"])


def test_the_width_of_the_projection_may_stand_in_one_place_only(tmp_path: Path) -> None:
    """Some published files say it of the whole model only, and leave the image model's at a default."""
    model = toy_clip.clip()
    assert vars(model.config.vision_config)["projection_dim"] != model.config.projection_dim
    made = load_zero_shot(toy_clip.write(model, tmp_path / "clip"), NAMES)
    made.save(tmp_path / "saved")
    assert load_model(tmp_path / "saved")(pixels()).embedding.shape == (3, 24)


def test_a_trained_classifier_has_no_text_model(vit_folder: Path, headed: VisionModel) -> None:
    assert load_model(vit_folder).text_model is None
    assert headed.text_model is None


def test_a_file_of_classes(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes("\ufefftabby\r\n\r\nn02123045\ttiger cat\r\n Müller \n".encode())
    assert list(read_classes(tmp_path / "names.txt").items()) == [
        ("tabby", "tabby"),
        ("n02123045", "tiger cat"),
        ("Müller", "Müller"),
    ]


def test_the_toy_clip_knows_its_stripes(toy_clip_folder: Path, toy_data_folder: Path) -> None:
    """Image and text model have learned together: the rows that names make find the right pictures."""
    from tests.toy import CLASSES

    right, shuffled = (
        accuracy(load_zero_shot(toy_clip_folder, names), toy_data_folder, CLASSES)
        for names in (
            CLASSES,
            CLASSES[::-1],
        )
    )
    assert right > 0.9
    assert shuffled == right  # the order of names is that of the rows, whatever it is


def accuracy(model: VisionModel, data: Path, classes: Sequence[str]) -> float:
    from PIL import Image

    hits = []
    for name in classes:
        shown = [Image.open(path) for path in sorted((data / "test" / name).iterdir())]
        with torch.no_grad():
            hits += (model(model.prepare(shown)).logits.argmax(1) == model.classes.index(name)).tolist()
    return sum(hits) / len(hits)
