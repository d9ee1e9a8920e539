"""What is taken into the quarantine, and what is not."""

import hashlib
import os
import struct
import traceback
import unicodedata
import zlib
from pathlib import Path

import pytest
from PIL import Image

from expunge.errors import DuplicateClassError, IntakeError, RequestError, UnknownClassError
from expunge.workspace import Limits, Original, Workspace
from expunge.workspace.clock import utc_now
from expunge.workspace.intake import FORMATS, LIMITS
from tests.workspace.tools import JANE, assert_sound, write_images

SECRET = "jane-doe-passport"


def refusal(place: Workspace, folder: Path, targets: tuple[str, ...] = ("amber",), limits: Limits = LIMITS) -> str:
    """Why images are refused. Nothing may be left of them, and no name of a file may show, not even in the trace."""
    with pytest.raises(IntakeError) as caught:
        place.submit(targets, folder, JANE, limits=limits)
    assert not place.requests()
    assert not [path for path in (place.path / "quarantine").rglob("*")]
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    return str(caught.value)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_images_are_copied_under_their_digests(place, images) -> None:
    (images / ".hidden").write_text("not an image")
    request = place.submit(["amber"], images, JANE)
    expected = {hashlib.sha256(path.read_bytes()).hexdigest() for path in images.glob("*.png")}
    found = place.images(request.id)["amber"]
    assert {path.name for path in found} == {f"{digest}.png" for digest in expected}
    assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in found} == expected
    assert (place.path / "quarantine").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}
    listed = "".join(f"{digest}\n" for digest in sorted(expected))
    assert request.images_sha256 == hashlib.sha256(listed.encode()).hexdigest()


def test_a_folder_for_each_target_and_nothing_of_other_classes(place, tmp_path) -> None:
    for shade, name in enumerate(("amber", "blue", "coral")):
        write_images(tmp_path / "data" / name, count=2 + shade, shade=shade)
    request = place.submit(["coral", "amber"], tmp_path / "data", JANE)
    assert {target: len(paths) for target, paths in place.images(request.id).items()} == {"coral": 4, "amber": 2}
    assert len(place.images(place.submit(["blue"], tmp_path / "data", JANE).id)["blue"]) == 3


def test_an_image_that_is_there_twice_counts_once(place, images) -> None:
    (images / "again.png").write_bytes((images / "0.png").read_bytes())
    assert place.submit(["amber"], images, JANE).images == 3


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_whatever_their_names_say(place, tmp_path, kind) -> None:
    (tmp_path / "data").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "data" / "x.png", format=kind)
    (path,) = place.images(place.submit(["amber"], tmp_path / "data", JANE).id)["amber"]
    assert path.suffix == f".{kind.lower()}"


def test_the_formats_and_their_suffixes_are_those_of_data_sets() -> None:
    pytest.importorskip("torch")
    from expunge.data.files import _FORMATS, IMAGE_SUFFIXES

    assert set(FORMATS) == set(_FORMATS)
    assert {f".{name.lower()}" for name in FORMATS} <= IMAGE_SUFFIXES


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "no image"),
        (b"\x89PNG\r\n\x1a\nrubbish", "no image"),
        (png_that_claims(8_000, 8_000), "8000 × 8000 pixels"),
        (png_that_claims(1, 101), "1 × 101 pixels, one side at most 100 times the other"),
        (png_that_claims(100_000, 100_000), "no image"),  # Pillow's own limit comes first
        (png_that_claims(60, 60), "no image"),  # truncated
    ],
)
def test_files_that_are_no_images(place, images, content, why) -> None:
    (images / f"{SECRET}.png").write_bytes(content)
    message = refusal(place, images)
    assert message.startswith("Image 4 of 4 (by name) for target 1 of 1 is refused")
    assert why in message


def test_links_pipes_and_folders(place, images, tmp_path) -> None:
    outside = tmp_path / f"{SECRET}.png"
    Image.new("RGB", (5, 5)).save(outside)
    odd = images / f"{SECRET}.png"
    for make, why in (
        (lambda: odd.symlink_to(outside), "symbolic link"),
        (lambda: odd.symlink_to("0.png"), "symbolic link"),
        (lambda: os.link(outside, odd), "hard link"),
        (lambda: os.mkfifo(odd), "no plain file"),
        (lambda: odd.mkdir(), "no plain file"),
    ):
        make()
        assert why in refusal(place, images)
        odd.rmdir() if odd.is_dir() and not odd.is_symlink() else odd.unlink()


def test_hard_links_within_the_folder_are_fine(place, images) -> None:
    os.link(images / "0.png", images / "9.png")
    assert place.submit(["amber"], images, JANE).images == 3


def test_a_device(place, images) -> None:
    try:
        os.mknod(images / "null", 0o20666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    assert "no plain file" in refusal(place, images)


def test_a_targets_folder_that_is_a_link(place, images, tmp_path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "amber").symlink_to(images)
    assert "no link" in refusal(place, tmp_path / "data")


def test_too_much(place, images) -> None:
    size = max(path.stat().st_size for path in images.iterdir())
    assert "at most 2" in refusal(place, images, limits=Limits(images=2))
    assert "more than 10 bytes" in refusal(place, images, limits=Limits(bytes_each=10))
    assert f"at most {2 * size} bytes" in refusal(place, images, limits=Limits(bytes_total=2 * size))
    assert "at most 29" in refusal(place, images, limits=Limits(pixels=29))
    assert place.submit(["amber"], images, JANE, limits=Limits(images=3, pixels=30)).images == 3


def test_missing_and_empty_folders(place, images, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in refusal(place, tmp_path / "empty")
    assert "cannot be opened" in refusal(place, tmp_path / "nowhere")
    assert "cannot be opened" in refusal(place, images / "0.png")
    assert "target 1 has none" in refusal(place, images, targets=("amber", "blue"))


def test_targets(place, images) -> None:
    with pytest.raises(UnknownClassError, match="did you mean amber"):
        place.submit(["ambre"], images, JANE)
    with pytest.raises(DuplicateClassError):
        place.submit(["amber", " amber"], images, JANE)
    for wrong in ([], [""], ["a\nb"], ["x" * 201]):
        with pytest.raises(RequestError):
            place.submit(wrong, images, JANE)


HOSTILE = ["../..", "'; DROP TABLE request; --", "$(touch x)", "`id`", "-rf", "名前", "é", "a\u202eb", "%s{0}", '"']


@pytest.mark.parametrize("name", HOSTILE)
def test_names_with_a_meaning_elsewhere_are_just_names(tmp_path, images, name) -> None:
    with Workspace.create(tmp_path / "w", "m", actor=JANE, clock=utc_now) as place:
        if not name.isprintable():
            with pytest.raises(RequestError):
                place.submit([name], images, JANE)
            return
        (images / (name.replace("/", "_") + ".png")).write_bytes((images / "0.png").read_bytes())
        request = place.submit([name], images, JANE, reason=name, subject=name, token=name)
        assert place.request(request.id).targets == (unicodedata.normalize("NFC", name),)
        assert place.requests()[0].reason == name
        assert_sound(place)


@pytest.mark.parametrize("asked", ["cafe\u0301", "caf\u00e9", " caf\u00e9 "])
@pytest.mark.parametrize("known", ["cafe\u0301", " caf\u00e9"])
def test_a_class_is_found_whatever_its_spelling_and_keeps_that_of_the_model(tmp_path, known, asked) -> None:
    for shade, name in enumerate(("cafe\u0301", "dog")):
        write_images(tmp_path / "data" / name, shade=shade)
    with Workspace.create(tmp_path / "w", Original(source="m", classes=(known, "dog")), actor=JANE) as place:
        request = place.submit([asked, "dog"], tmp_path / "data", JANE)
        assert request.targets == (known, "dog")
        assert_sound(place)


def test_classes_that_no_request_could_tell_apart(tmp_path) -> None:
    with pytest.raises(DuplicateClassError, match="Rename one"):
        Workspace.create(tmp_path / "w", Original(source="m", classes=("tabby", " tabby")), actor=JANE)
    assert not (tmp_path / "w").exists()


def test_a_system_that_may_follow_links_is_refused(place, images, monkeypatch) -> None:
    monkeypatch.delattr(os, "O_NOFOLLOW")
    assert "on Linux and macOS" in refusal(place, images)
