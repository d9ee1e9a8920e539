import contextlib
import gc
import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from expunge.data import FileSample, Images, to_rgb, verify
from expunge.data.pixels import reading
from expunge.errors import DataError, UnreadableImageError

RNG = np.random.default_rng(7)
PHOTO = Image.fromarray(RNG.integers(0, 256, (24, 16, 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(image: Image.Image) -> list[tuple[int, ...]]:
    return [tuple(pixel) for row in np.asarray(image).tolist() for pixel in row]


def sample(folder: Path, content: bytes, name: str = "photo.png") -> FileSample:
    (folder / name).write_bytes(content)
    return FileSample(folder, name)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_files_come_back_pixel_for_pixel(tmp_path, kind):
    image = sample(tmp_path, encoded(PHOTO, kind)).load()
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.asarray(PHOTO))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_other_common_formats_are_read(tmp_path, kind):
    image = sample(tmp_path, encoded(PHOTO, kind)).load()
    assert (image.mode, image.size) == ("RGB", (16, 24))


# What each value of the EXIF tag says of the stored rows and columns (Exif 2.32, section 4.6.4).
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = sample(tmp_path, encoded(PHOTO, "PNG", exif=exif)).load()
    assert np.array_equal(np.asarray(image), UPRIGHT[orientation](np.asarray(PHOTO)))
    assert image.getexif().get(0x0112, 1) == 1  # nobody turns it a second time


def test_16_bit_greys_keep_their_upper_8_bits(tmp_path):
    grey = Image.fromarray(np.array([[0, 255, 256, 25600, 65535]], dtype=np.uint16))
    image = sample(tmp_path, encoded(grey, "PNG")).load()
    assert pixels(image) == [(0, 0, 0), (0, 0, 0), (1, 1, 1), (100, 100, 100), (255, 255, 255)]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_pixels_are_refused(tmp_path, dtype):
    deep = Image.fromarray(np.zeros((1, 1), dtype=dtype))
    with pytest.raises(UnreadableImageError, match="32-bit numbers"):
        sample(tmp_path, encoded(deep, "TIFF")).load()


def test_a_palette_with_transparency_keeps_its_colours(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    content = encoded(image, "PNG", transparency=bytes([0, 128]))
    assert pixels(sample(tmp_path, content).load()) == [(10, 20, 30), (40, 50, 60)]


@pytest.mark.parametrize(
    ("mode", "colour", "rgb"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 9, (9, 9, 9)),
        ("LA", (9, 0), (9, 9, 9)),
        ("RGBA", (1, 2, 3, 0), (1, 2, 3)),
    ],
)
def test_other_modes_become_rgb(mode, colour, rgb):
    assert pixels(to_rgb(Image.new(mode, (1, 1), colour))) == [rgb]


def test_to_rgb_leaves_the_image_handed_in_alone():
    exif = Image.Exif()
    exif[0x0112] = 6
    original = Image.open(io.BytesIO(encoded(PHOTO, "PNG", exif=exif)))
    assert to_rgb(original).size == (24, 16)
    assert original.size == (16, 24)


def test_samples_are_equal_by_place_and_know_their_path(tmp_path):
    first, again = FileSample(tmp_path, "train/cat/1.png"), FileSample(tmp_path, "train/cat/1.png")
    assert {first} == {again}
    assert first.path == tmp_path / "train" / "cat" / "1.png"


JPEG = encoded(PHOTO, "JPEG")
UNREADABLE = {
    "empty": b"",
    "text": b"not an image at all",
    "truncated jpeg": JPEG[: len(JPEG) // 2],
    "truncated png": encoded(PHOTO, "PNG")[:60],
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_file_is_named_by_its_path(tmp_path, content):
    bad = sample(tmp_path, content)
    with pytest.raises(UnreadableImageError) as caught:
        bad.load()
    assert str(tmp_path / "photo.png") in str(caught.value)
    assert "replace it or leave it out" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_postscript_is_not_handed_to_an_interpreter(tmp_path):
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    with pytest.raises(UnreadableImageError, match="cannot identify image file"):
        sample(tmp_path, program).load()


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name in ("missing.png", "folder.png"):
        with pytest.raises(UnreadableImageError, match=name):
            FileSample(tmp_path, name).load()


@given(st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]), st.data())
@settings(max_examples=100)
def test_damaged_bytes_give_an_image_or_one_kind_of_error(tmp_path_factory, kind, data):
    content = bytearray(encoded(PHOTO, kind))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = sample(tmp_path_factory.getbasetemp(), bytes(content), "damaged.png")
    with contextlib.suppress(UnreadableImageError):
        assert damaged.load().mode == "RGB"


def test_running_out_of_memory_is_not_the_images_fault():
    with pytest.raises(MemoryError), reading("photo.png"):
        raise MemoryError
    with pytest.raises(DataError, match="as it was") as caught, reading("photo.png"):
        raise DataError("as it was")
    assert type(caught.value) is DataError


# --- decompression bombs ---


def png_header(width: int, height: int) -> bytes:
    """A few bytes that claim to be a picture of any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"photo\.png.*decompression bomb"):
        sample(tmp_path, png_header(60_000, 60_000)).load()


def test_the_limit_is_pillows_and_exact(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    at_limit = sample(tmp_path, encoded(Image.new("RGB", (10, 10)), "PNG"), "at.png")
    above = sample(tmp_path, encoded(Image.new("RGB", (10, 11)), "PNG"), "above.png")
    assert at_limit.load().size == (10, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # as outside of tests: no error
        with pytest.raises(UnreadableImageError, match=r"above\.png: 10 x 11 pixels .* the limit is 100"):
            above.load()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert above.load().size == (10, 11)


def test_a_line_is_refused_before_it_is_decoded(tmp_path):
    assert sample(tmp_path, encoded(Image.new("L", (100, 1)), "PNG"), "at.png").load().size == (100, 1)
    with pytest.raises(UnreadableImageError, match=r"above\.png: 1 x 101 pixels are a line.*100 times"):
        sample(tmp_path, png_header(1, 101), "above.png").load()


# --- files are read once and closed ---


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_no_file_stays_open(tmp_path):
    good = sample(tmp_path, encoded(PHOTO, "PNG"), "good.png")
    bad = sample(tmp_path, UNREADABLE["truncated jpeg"], "bad.png")
    animated = sample(tmp_path, encoded(PHOTO, "GIF", save_all=True, append_images=[PHOTO.rotate(90)]), "a.gif")
    gc.disable()  # a collected image would close its file, too
    try:
        before = len(os.listdir("/proc/self/fd"))
        kept = Images((good, animated), (0, 0), ("a",)).load()
        with pytest.raises(UnreadableImageError) as caught:
            bad.load()
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        gc.enable()
    assert len(kept) == 2
    assert caught


def test_an_image_is_usable_after_its_file_is_gone(tmp_path):
    photo = sample(tmp_path, encoded(PHOTO, "PNG"))
    image = photo.load()
    photo.path.unlink()
    assert np.array_equal(np.asarray(image), np.asarray(PHOTO))


def test_a_file_is_opened_once(tmp_path, monkeypatch):
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda path, **options: opened.append(path) or real(path, **options))
    photo = sample(tmp_path, JPEG, "photo.jpg")
    photo.load()
    assert opened == [photo.path]


# --- verify ---


def test_verify_reports_every_unreadable_path_at_once(tmp_path):
    samples = (
        sample(tmp_path, UNREADABLE["text"], "one.png"),
        sample(tmp_path, JPEG, "two.png"),
        sample(tmp_path, UNREADABLE["truncated jpeg"], "three.png"),
        FileSample(tmp_path, "missing.png"),
    )
    images = Images(samples, (0, 0, 0, 0), ("a",))
    assert verify(images) == tuple(str(tmp_path / name) for name in ("one.png", "three.png", "missing.png"))
    assert verify(images.select([1])) == ()


def test_verify_decodes_and_does_not_trust_headers(tmp_path):
    cut = sample(tmp_path, encoded(PHOTO, "PNG")[:-200])
    with Image.open(cut.path) as header:
        assert header.size == PHOTO.size
    assert verify(Images((cut,), (0,), ("a",))) == (str(cut.path),)
