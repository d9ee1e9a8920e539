import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from expunge.data import FileSample, load_folder, verify
from expunge.errors import (
    DataError,
    DataLayoutError,
    DuplicateClassError,
    EmptyClassError,
    UnreadableImageError,
)


def names(images):
    return [sample.name for sample in images.samples]


def test_a_folder_becomes_three_splits(pets):
    splits = load_folder(pets)
    assert splits.classes == ("cat", "dog")
    assert splits.train.counts() == (4, 4)
    assert splits.validation.counts() == (1, 1)
    assert names(splits.test) == ["test/cat/0.png", "test/cat/1.png", "test/dog/0.png", "test/dog/1.png"]
    assert splits.test.labels == (0, 0, 1, 1)
    assert splits.skipped == ()
    first = splits.train.samples[0]
    assert isinstance(first, FileSample)
    assert first.path.parent == pets / "train" / "cat"
    assert np.asarray(splits.test.load([3])[0]).tolist() == [[[1, 2, 3]]]


def test_validation_comes_from_train_and_test_stays_apart(pets):
    splits = load_folder(pets, validation=0.4, seed=3)
    train = {f"train/{kind}/{number}.png" for kind in ("cat", "dog") for number in range(5)}
    assert set(names(splits.train)) | set(names(splits.validation)) == train
    assert splits.validation.counts() == (2, 2)
    assert all(name.startswith("test/") for name in names(splits.test))


def test_the_same_seed_gives_the_same_splits_in_sorted_order(pets):
    assert load_folder(str(pets), seed=5) == load_folder(pets, seed=5)
    assert names(load_folder(pets).train) == sorted(names(load_folder(pets).train))
    assert len({load_folder(pets, seed=seed) for seed in range(8)}) > 1


def test_files_are_sorted_whenever_they_were_made(pets, put):
    put("test/cat/z.png", "test/cat/a.png", "test/cat/m.png")
    kept = [Path(name).stem for name in names(load_folder(pets).test.only({0}))]
    assert kept == ["0", "1", "a", "m", "z"]


def test_a_data_set_that_has_moved_is_split_alike(pets, tmp_path):
    before = names(load_folder(pets, seed=1).validation)
    moved = pets.rename(tmp_path / "elsewhere")
    assert names(load_folder(moved, seed=1).validation) == before


def test_only_visible_images_directly_in_a_class_folder_count(pets, put):
    expected = load_folder(pets)
    put(
        "train/cat/.hidden.png",
        "train/cat/nested/6.png",
        "train/.cache/1.png",
        "test/.cache/1.png",
        "train/1.png",
    )
    for name in (
        "train/cat/notes.txt",
        "train/cat/Thumbs.db",
        "train/cat/noimage",
        "train/README.md",
        "test/x.csv",
    ):
        (pets / name).write_text("no image")
    (pets / "train/dog/album.png").mkdir()
    assert load_folder(pets) == expected


@pytest.mark.parametrize("suffix", ["JPG", "Jpeg", "webp", "BMP", "tif", "gif"])
def test_image_suffixes_are_known_in_any_case(pets, put, suffix):
    put(f"test/cat/other.{suffix}")
    assert f"test/cat/other.{suffix}" in names(load_folder(pets).test)


# --- layout ---


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_part_shows_what_is_expected_and_what_was_found(pets, part):
    (pets / part).rename(pets / f"{part}ing")
    (pets / "labels.csv").touch()
    with pytest.raises(DataLayoutError) as caught:
        load_folder(pets)
    message = str(caught.value)
    assert f"cannot list {pets / part}" in message
    assert f"{pets}/train/<class>/<image>, {pets}/test/<class>/<image>" in message
    assert f"{pets} holds " in message
    assert "labels.csv" in message
    assert f"{part}ing/" in message


def test_a_missing_root_and_an_empty_root(root):
    with pytest.raises(DataLayoutError, match="nowhere is no folder"):
        load_folder(root / "nowhere")
    with pytest.raises(DataLayoutError, match=f"{root.name} is empty"):
        load_folder(root)


def test_a_part_that_is_a_file(pets):
    (pets / "test").rename(pets / "old")
    (pets / "test").touch()
    with pytest.raises(DataLayoutError, match=r"cannot list .*test .*old/, test, train/"):
        load_folder(pets)


def test_images_without_class_folders(root, put):
    put("train/1.png", "test/1.png")
    with pytest.raises(DataLayoutError, match=r"train holds no class folder.*train holds 1\.png"):
        load_folder(root)


def test_a_crowded_folder_is_listed_in_part(root):
    for number in range(12):
        (root / f"{number:02}").mkdir()
    with pytest.raises(DataLayoutError, match=r"09/, … \(12 in all\)"):
        load_folder(root)


@pytest.mark.parametrize(("has", "lacks"), [("train", "test"), ("test", "train")])
def test_train_and_test_hold_the_same_classes(pets, put, has, lacks):
    put(f"{has}/fox/1.png", f"{has}/owl/1.png")
    with pytest.raises(DataLayoutError, match=f"{lacks} lacks the classes fox, owl: .*{lacks} holds cat/, dog/"):
        load_folder(pets)


def test_train_may_lack_classes_of_test_where_that_is_said(pets, put):
    put("test/ant/1.png", "test/fox/1.png")
    splits = load_folder(pets, untrained=True)
    assert splits.classes == ("ant", "cat", "dog", "fox")
    assert splits.train.counts() == (0, 4, 4, 0)
    assert splits.test.counts() == (1, 2, 2, 1)
    assert load_folder(pets, untrained=True, skip_unreadable=True) == splits
    shutil.rmtree(pets / "train")
    alone = load_folder(pets, untrained=True)
    assert (len(alone.train), len(alone.validation), alone.test) == (0, 0, splits.test)


def test_test_lacks_no_class_of_train_whatever_is_said(pets, put):
    put("train/fox/1.png")
    with pytest.raises(DataLayoutError, match="test lacks the classes fox"):
        load_folder(pets, untrained=True)
    shutil.rmtree(pets / "test")
    with pytest.raises(DataLayoutError, match=r"cannot list .*test"):
        load_folder(pets, untrained=True)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_folder_without_an_image_is_named(pets, put, part):
    for number in range(5):
        (pets / part / "dog" / f"{number}.png").unlink(missing_ok=True)
    put(f"{part}/dog/nested/1.png", f"{part}/dog/.hidden.png")
    (pets / part / "dog" / "notes.txt").touch()
    with pytest.raises(EmptyClassError, match=f"no image in {pets / part / 'dog'}: .*nested folders"):
        load_folder(pets)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_the_validation_fraction_is_checked_before_the_folder(root, fraction):
    with pytest.raises(DataError, match="validation fraction"):
        load_folder(root / "nowhere", validation=fraction)


# --- names ---

COMPOSED, DECOMPOSED = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("one", "other"),
    [("Cat", "cat"), (COMPOSED, DECOMPOSED), ("STRASSE", "straße"), ("ﬁsh", "FISH"), ("\u210bat", "hat")],
)
@pytest.mark.parametrize("parts", [("train", "train"), ("test", "test"), ("train", "test")])
def test_names_that_are_hard_to_tell_apart_are_refused(root, put, one, other, parts):
    for part, name in ((parts[0], one), (parts[1], other)):
        (root / part / name).mkdir(parents=True)
        put(f"{part}/{name}/1.png")
    if len([path for part in set(parts) for path in (root / part).iterdir()]) < 2:
        pytest.skip("this file system keeps one of the two names only")
    put("train/dog/1.png", "test/dog/1.png")
    with pytest.raises(DuplicateClassError) as caught:
        load_folder(root)
    assert ascii(one) in str(caught.value)
    assert ascii(other) in str(caught.value)


def test_a_class_has_the_composed_name_whatever_the_file_system_keeps(root, put):
    put(f"train/{DECOMPOSED}/1.png", f"test/{DECOMPOSED}/1.png")
    splits = load_folder(root)
    assert splits.classes == (COMPOSED,)
    assert len(splits.test.load()) == 1


@pytest.mark.parametrize("where", ["train/cat", "train"])
def test_names_that_are_no_text_are_refused(pets, where):
    try:
        os.mkdir(os.fsencode(pets / where) + b"/caf\xe9.png")
    except OSError:
        pytest.skip("this file system keeps Unicode names only")
    with pytest.raises(DataLayoutError, match=r"'caf\\udce9\.png' in .* is not Unicode text"):
        load_folder(pets)


# --- links ---


@pytest.fixture
def outside(tmp_path: Path, pets: Path) -> Path:
    """A folder beside the data root, with one image."""
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "secret.png").write_bytes((pets / "train/cat/0.png").read_bytes())
    return folder


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("train/cat/link.png", "secret.png"),
        ("train/cat/notes.txt", "secret.png"),
        ("test/dog/gone.png", "gone.png"),
        ("test/owl", "."),
        ("train/owl", "gone"),
    ],
)
def test_links_out_of_the_root_are_refused(pets, outside, link, target):
    (pets / link).symlink_to(outside / target)
    with pytest.raises(DataLayoutError, match=f"{pets / link} is a link to {outside}.*outside the data root"):
        load_folder(pets)


@pytest.mark.parametrize("absolute", [True, False])
def test_a_part_that_links_out_of_the_root_is_refused(pets, outside, absolute):
    (pets / "test").rename(outside / "test")
    (pets / "test").symlink_to(outside / "test" if absolute else Path("..") / outside.name / "test")
    with pytest.raises(DataLayoutError, match=f"{pets / 'test'} is a link to {outside / 'test'}"):
        load_folder(pets)


def test_a_folder_whose_name_only_begins_like_the_root_is_outside(pets, tmp_path, outside):
    twin = tmp_path / f"{pets.name}-private"
    outside.rename(twin)
    (pets / "train/cat/link.png").symlink_to(twin / "secret.png")
    with pytest.raises(DataLayoutError, match="outside the data root"):
        load_folder(pets)


def test_links_within_the_root_are_followed(pets, put, tmp_path):
    put("pool/fox/1.png", "pool/2.png", "test/fox/1.png", colour=(9, 9, 9))
    (pets / "train/fox").symlink_to("../pool/fox")
    (pets / "train/cat/link.png").symlink_to(pets / "pool/2.png")
    (tmp_path / "alias").symlink_to(pets)
    splits = load_folder(tmp_path / "alias")
    assert splits.classes == ("cat", "dog", "fox")
    train = dict(zip(names(splits.train) + names(splits.validation), range(12), strict=True))
    assert {"train/fox/1.png", "train/cat/link.png"} <= set(train)
    assert np.asarray(splits.train.only({2}).load()[0]).tolist() == [[[9, 9, 9]]]


@pytest.mark.parametrize(
    ("link", "target"), [("test/cat/link.png", "../../train/cat/0.png"), ("test/fox", "../train/fox")]
)
def test_links_from_test_to_train_are_refused(pets, put, link, target):
    if "fox" in link:
        put("train/fox/1.png")
    (pets / link).symlink_to(target)
    with pytest.raises(DataLayoutError, match=f"{pets / link}.* is a file of train, too"):
        load_folder(pets)


def test_links_of_train_and_test_to_one_file_are_refused(pets, put):
    put("pool/1.png")
    for part in ("train", "test"):
        (pets / part / "cat" / f"{part}.png").symlink_to("../../pool/1.png")
    with pytest.raises(DataLayoutError, match="is a file of train, too"):
        load_folder(pets)


@pytest.mark.parametrize("target", ["gone.png", "link.png"])
def test_a_link_to_nothing_is_an_unreadable_image(pets, target):
    (pets / "test/cat/link.png").symlink_to(target)
    splits = load_folder(pets)
    assert verify(splits.test) == (str(pets / "test/cat/link.png"),)


# --- unreadable images ---


@pytest.fixture
def damaged(pets: Path) -> Path:
    """Pets with one damaged image in train and one in test."""
    for name in ("train/cat/2.png", "test/dog/1.png"):
        path = pets / name
        path.write_bytes(path.read_bytes()[:45])
    return pets


def test_nothing_is_opened_up_front(damaged):
    splits = load_folder(damaged)
    assert len(splits.train) + len(splits.validation) == 10
    with pytest.raises(UnreadableImageError, match=str(damaged / "test/dog/1.png")):
        splits.test.load()
    found = [path for part in (splits.train, splits.validation, splits.test) for path in verify(part)]
    assert found == [str(damaged / "train/cat/2.png"), str(damaged / "test/dog/1.png")]


def test_unreadable_images_are_left_out_on_request_and_listed(damaged):
    splits = load_folder(damaged, skip_unreadable=True)
    assert splits.skipped == (str(damaged / "train/cat/2.png"), str(damaged / "test/dog/1.png"))
    assert splits.test.counts() == (2, 1)
    assert "train/cat/2.png" not in names(splits.train) + names(splits.validation)
    assert splits.train.counts() == (3, 4)
    assert all(not verify(part) for part in (splits.train, splits.validation, splits.test))


def test_skipping_leaves_sound_data_alone(pets):
    assert load_folder(pets, skip_unreadable=True) == load_folder(pets)


@pytest.mark.parametrize(("part", "files"), [("train", 5), ("test", 2)])
def test_a_class_with_unreadable_images_only_is_empty(pets, part, files):
    for path in (pets / part / "dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(EmptyClassError, match=f"no image in {pets / part / 'dog'} can be read: replace its {files}"):
        load_folder(pets, skip_unreadable=True)
