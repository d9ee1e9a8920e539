"""Folders of a person's own images."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from expunge.errors import ClassMismatchError, DataLayoutError, EmptyClassError, UnreadableImageError
from expunge.release.pictures import answers, list_pictures, readable, require_same_classes
from expunge.vision import VisionModel
from tests.release.models import CLASSES, tiny


def picture(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 32), colour).save(path)
    return path


def test_a_plain_folder_has_no_labels(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", ".hidden.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    images, labels = list_pictures(tmp_path, CLASSES)
    assert ([image.name for image in images], labels) == (["a.JPG", "b.png"], None)


def test_folders_named_like_classes_are_labels(tmp_path: Path) -> None:
    for name in ("eel/2.png", "eel/1.png", "bee/1.png"):
        picture(tmp_path / name)
    images, labels = list_pictures(tmp_path, CLASSES)
    assert ([image.name for image in images], labels) == (["bee/1.png", "eel/1.png", "eel/2.png"], (1, 4, 4))


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataLayoutError, match="Expected a folder"):
        list_pictures(tmp_path / "none", CLASSES)
    with pytest.raises(EmptyClassError, match="No image in"):
        list_pictures(tmp_path, CLASSES)
    picture(tmp_path / "test" / "ant" / "1.png")
    with pytest.raises(EmptyClassError, match=r"perhaps you mean .*test"):
        list_pictures(tmp_path, CLASSES)
    picture(tmp_path / "gnu" / "1.png")
    with pytest.raises(ClassMismatchError, match="no class of the models: gnu"):
        list_pictures(tmp_path, CLASSES)
    picture(tmp_path / "1.png")
    with pytest.raises(DataLayoutError, match="beside folders"):
        list_pictures(tmp_path, CLASSES)


@pytest.mark.parametrize("kind", ["file", "folder", "dangling"])
def test_links_do_not_lead_out(kind: str, tmp_path: Path) -> None:
    outside = picture(tmp_path / "outside" / "secret.png")
    root = tmp_path / "root"
    picture(root / "ant" / "1.png")
    if kind == "folder":
        (root / "bee").symlink_to(outside.parent)
    else:
        (root / "ant" / "2.png").symlink_to(outside if kind == "file" else tmp_path / "nowhere.png")
    with pytest.raises(DataLayoutError, match="is a link out of"):
        list_pictures(root, CLASSES)


def test_answers_do_not_depend_on_batches_or_on_the_order_of_classes(tmp_path: Path) -> None:
    for number in range(35):
        picture(tmp_path / f"{number:02d}.png", f"#{number * 7:02x}40{255 - number * 7:02x}")
    images, _ = list_pictures(tmp_path, CLASSES)
    model = tiny()
    turned = VisionModel(model.module, CLASSES[::-1], preprocess=model.preprocess)
    plain, other = answers([model, turned], images)
    with torch.no_grad():
        alone = torch.cat([model(model.prepare([image.load()])).logits for image in images])
    assert torch.allclose(plain, alone, atol=1e-4)
    assert torch.equal(other, plain.flip(1))  # the same module, its first column called `eel`
    assert plain.argmax(1).unique().numel() > 1
    require_same_classes(model, turned)


def test_other_classes_are_refused() -> None:
    model = tiny()
    other = VisionModel(model.module, ("ant", "bee", "cat", "dog", "emu"), preprocess=model.preprocess, name="new")
    with pytest.raises(ClassMismatchError, match="vit has 5 classes and new 5, and they differ: eel, emu"):
        require_same_classes(model, other)


def test_images_that_cannot_be_decoded_are_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    images, _ = list_pictures(tmp_path, CLASSES)
    assert readable(images) == (0,)
    with pytest.raises(UnreadableImageError, match=r"b\.png"):
        answers([tiny()], images)
