"""Models, names and sentences of which no classifier can be made: each is refused with one clear error."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from expunge.errors import (
    CorruptWeightsError,
    DuplicateClassError,
    HeadError,
    MissingExtraError,
    ModelNotFoundError,
    PromptError,
)
from expunge.vision import load_model, load_zero_shot, read_classes
from tests import toy_clip
from tests.vision.conftest import edit, edit_tensors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_clip.write(toy_clip.clip(), tmp_path / "clip")


def test_words_are_not_classes(folder: Path, tmp_path: Path) -> None:
    siglip = toy_clip.write(toy_clip.siglip(), tmp_path / "siglip")
    for path, kind in ((folder, "CLIPModel"), (siglip, "SiglipModel")):
        with pytest.raises(HeadError, match=f"is a {kind}, which .* expunge zero-shot MODEL --classes FILE"):
            load_model(path)


def test_a_classifier_needs_no_words(vit_folder: Path) -> None:
    with pytest.raises(HeadError, match=r"hold a CLIPModel or SiglipModel; .* names ViTForImageClassification"):
        load_zero_shot(vit_folder, ["a"])


@pytest.mark.parametrize(
    ("classes", "error", "said"),
    [
        ([], PromptError, "at least one class name"),
        ("ant", PromptError, "a list of class names; got one text, 'ant'"),
        (["a", "b", "a"], DuplicateClassError, "'a' is there twice"),
        (["a", " "], PromptError, "got ' ' and ' '"),
        ({"a": ""}, PromptError, "got 'a' and ''"),
        (["Ant", "ant"], PromptError, "reads 'Ant' and 'ant' as the same"),
        ({"x": "ant", "y": "ant"}, PromptError, "reads 'x' and 'y' as the same"),
        (["a" * 40], PromptError, f"at most {toy_clip.LONGEST} tokens; 'a photo of a a+.' has 52"),
    ],
)
def test_names_that_make_no_rows(folder: Path, classes, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        load_zero_shot(folder, classes)


@pytest.mark.parametrize(("templates", "came"), [((), "none"), (("a {}", "a photo"), "'a photo'"), ("a {}", "'a'")])
def test_templates_need_a_place_for_the_name(folder: Path, templates, came: str) -> None:
    with pytest.raises(PromptError, match=f"got {came}"):
        load_zero_shot(folder, ["a"], templates=templates)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (b"", PromptError, "at least one class name in .*names.txt"),
        (b"\n \n", PromptError, "at least one class name"),
        (b"a\nb\na\n", DuplicateClassError, "'a' is there twice"),
        (b"a\t\n", PromptError, "got 'a' and ''"),
        (b"\tcat\n", PromptError, "got '' and 'cat'"),
        (b"\xff\xfe\x00", PromptError, "cannot be read"),
    ],
)
def test_a_file_without_classes(tmp_path: Path, text: bytes, error: type[Exception], said: str) -> None:
    (tmp_path / "names.txt").write_bytes(text)
    with pytest.raises(error, match=said):
        read_classes(tmp_path / "names.txt")


def test_no_file_of_classes(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="cannot be read"):
        read_classes(tmp_path / "names.txt")


def test_no_tokenizer(folder: Path) -> None:
    (folder / "vocab.json").unlink()
    with pytest.raises(ModelNotFoundError, match="hold a tokenizer"):
        load_zero_shot(folder, ["a"])


def test_no_image_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"preprocessor_config\.json"):
        load_zero_shot(folder, ["a"])


@pytest.mark.parametrize("text", ["{", "[]", '{"model": 3}'])
def test_a_damaged_tokenizer(folder: Path, text: str) -> None:
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(CorruptWeightsError, match=r"tokenizer in .* cannot be read"):
        load_zero_shot(folder, ["a"])


def test_a_tokenizer_with_code_of_its_own(folder: Path) -> None:
    (folder / "code.py").write_text("raise RuntimeError('it was run')")
    config = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["code.Own", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(CorruptWeightsError, match=r"tokenizer in .* cannot be read"):
        load_zero_shot(folder, ["a"])


def test_a_tokenizer_that_needs_a_library(folder: Path) -> None:
    """SigLIP's own needs sentencepiece, which is not installed here."""
    edit(folder / "tokenizer_config.json", lambda values: values.update(tokenizer_class="SiglipTokenizer"))
    with pytest.raises(MissingExtraError, match="pip install sentencepiece protobuf"):
        load_zero_shot(folder, ["a"])


def test_a_tokenizer_of_another_model(folder: Path) -> None:
    edit(folder / "vocab.json", lambda values: values.update({"a</w>": 999}))
    with pytest.raises(CorruptWeightsError, match=r"gives the token 999 .*; the text model has 80"):
        load_zero_shot(folder, ["a"])


def test_a_tokenizer_that_cannot_pad(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", lambda values: values.update(pad_token=None))
    with pytest.raises(CorruptWeightsError, match="no token to pad with"):
        load_zero_shot(folder, ["a"])


def test_weights_that_are_missing(folder: Path) -> None:
    edit_tensors(folder / "model.safetensors", lambda tensors: tensors.pop("text_projection.weight"))
    with pytest.raises(CorruptWeightsError, match=r"text_projection\.weight"):
        load_zero_shot(folder, ["a"])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda values: values.update(prompts=3), id="number"),
        pytest.param(lambda values: values["prompts"].pop("model"), id="no model"),
        pytest.param(lambda values: values["prompts"].update(templates="a {}"), id="one text"),
        pytest.param(lambda values: values["prompts"].update(templates=["a"]), id="no place"),
        pytest.param(lambda values: values["prompts"].update(templates=[1]), id="numbers"),
    ],
)
def test_a_damaged_note_of_the_sentences(folder: Path, tmp_path: Path, change: Callable[[dict], object]) -> None:
    load_zero_shot(folder, ["a", "b"]).save(tmp_path / "saved")
    edit(tmp_path / "saved/expunge.json", change)
    with pytest.raises(CorruptWeightsError, match=r"expunge\.json cannot be read"):
        load_model(tmp_path / "saved")


def test_a_projection_that_is_none(headed_folder: Path) -> None:
    """A backbone that cannot project, said to."""
    edit(headed_folder / "expunge.json", lambda values: values.update(pooling="projected"))
    with pytest.raises((CorruptWeightsError, HeadError)):
        load_model(headed_folder)
