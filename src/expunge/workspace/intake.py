"""Takes the images of a request into the quarantine: copied, checked, named by their digests; all of them or none.

Whoever may put files into the folder may be an attacker. So no link is followed, no device is opened, sizes are counted
while bytes are copied, and only our own copy is decoded. File names often hold names of persons: they are dropped
here, and messages speak of the place in the list. For the same reason no message carries the error it arose from.
"""

import os
import stat
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from expunge.durable import sync_folder
from expunge.errors import IntakeError
from expunge.workspace.disk import CHUNK, write_durable
from expunge.workspace.rows import ImageRecord
from expunge.workspace.submission import spelled

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF", "AVIF")
"""Formats that Pillow may recognise: with all of its own, a file that is PostScript inside would reach Ghostscript."""
_INCOMING = "incoming"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one request.

    Attributes:
        images: Number of images.
        bytes_each: Bytes of one image.
        bytes_total: Bytes of all.
        pixels: Width times height of one image.
        longest: How many times the shorter side of an image its longer side may be: a mere line, resized, fills memory.
    """

    images: int = 5_000
    bytes_each: int = 64 << 20
    bytes_total: int = 4 << 30
    pixels: int = 50_000_000
    longest: int = 100


LIMITS = Limits()


def take_in(source: Path, targets: Sequence[str], into: Path, limits: Limits) -> tuple[ImageRecord, ...]:
    """Copies images and waits until they are on the disk.

    Args:
        source: A folder that holds a folder for each target, `source/<target>/*`, or one target's images themselves.
            What else it holds is left alone.
        targets: Names of the classes.
        into: A new folder. It receives `<position of the target>/<sha256>.<format>`.
        limits: What is refused as too much.

    Returns:
        The images, without those that are there twice.

    Raises:
        IntakeError: A folder is missing or empty; something is a link, no plain file or no image; it is too much; or
            this system cannot open what a folder holds without following links.
    """
    if not hasattr(os, "O_NOFOLLOW"):
        raise IntakeError(f"Images are taken in on Linux and macOS; {sys.platform} cannot open them safely from links.")
    found: dict[str, ImageRecord] = {}
    with ExitStack() as stack:
        folders = _target_folders(_open_folder(source, stack), targets, stack)
        os.mkdir(into, 0o700)
        for position, folder in enumerate(folders):
            place = into / str(position)
            os.mkdir(place, 0o700)
            for image in _copy_all(folder, position, place, limits, f"target {position + 1} of {len(targets)}"):
                found[image.path] = image
                if len(found) > limits.images:
                    raise IntakeError(f"The images of a request are at most {limits.images:,}; these are more.")
                if sum(image.bytes for image in found.values()) > limits.bytes_total:
                    raise IntakeError(f"The images of a request have at most {limits.bytes_total:,} bytes.")
            sync_folder(place)
        sync_folder(into)
    return tuple(found.values())


def take_none(into: Path) -> tuple[ImageRecord, ...]:
    """The quarantine of a request without images of its own: an empty folder."""
    os.mkdir(into, 0o700)
    return ()


def _open_folder(path: Path | str, stack: ExitStack, inside: int | None = None) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | (0 if inside is None else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags, dir_fd=inside)
    except OSError as error:
        why = error.strerror
    else:
        stack.callback(os.close, descriptor)
        return descriptor
    what = "The folder of images" if inside is None else "A target's folder of images"
    raise IntakeError(f"{what} cannot be opened: {why}. Expected a folder that is no link.")


def _target_folders(root: int, targets: Sequence[str], stack: ExitStack) -> list[int]:
    with os.scandir(root) as entries:
        # A target is looked up among the names that are there, so it can never lead anywhere else.
        there = {spelled(e.name): e.name for e in entries if not e.is_file(follow_symlinks=False)}
    names = tuple(map(spelled, targets))
    missing = [number for number, name in enumerate(names, start=1) if name not in there]
    if len(targets) == 1 and missing:
        return [root]
    if missing:
        raise IntakeError(
            f"Expected one folder of images for each of {len(targets)} targets, named like it; "
            f"target {missing[0]} has none."
        )
    return [_open_folder(there[name], stack, inside=root) for name in names]


def _copy_all(folder: int, position: int, into: Path, limits: Limits, what: str) -> Iterator[ImageRecord]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    if not names:
        raise IntakeError(f"Expected images for {what}, the folder is empty.")
    if len(names) > limits.images:
        raise IntakeError(f"The images of a request are at most {limits.images:,}; these are more.")
    found = {name: os.stat(name, dir_fd=folder, follow_symlinks=False) for name in names}
    links = Counter(_inode(status) for status in found.values())
    for number, (name, status) in enumerate(found.items(), start=1):
        place = f"Image {number} of {len(names)} (by name) for {what}"
        _require_plain(status, links, place)  # before it is opened: opening a device may already do something
        descriptor = _open_image(folder, name, place)
        try:
            _require_plain(os.fstat(descriptor), links, place)  # it may have been exchanged meanwhile
            yield _copy(descriptor, position, into, limits, place)
        finally:
            os.close(descriptor)


def _open_image(folder: int, name: str, place: str) -> int:
    # NOFOLLOW refuses a link; NONBLOCK does not wait for the other end of a pipe.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        why = error.strerror
    raise IntakeError(f"{place} cannot be opened: {why}.")


def _require_plain(status: os.stat_result, links: Counter[tuple[int, int]], place: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        why = "it is a symbolic link"
    elif not stat.S_ISREG(status.st_mode):
        why = "it is no plain file"
    elif status.st_nlink > links[_inode(status)]:
        why = "it is a hard link to a file elsewhere"
    else:
        return
    raise IntakeError(f"{place} is refused: {why}. Expected plain image files, no links, folders or devices.")


def _copy(descriptor: int, position: int, into: Path, limits: Limits, place: str) -> ImageRecord:
    incoming = into / _INCOMING
    sha256, size = write_durable(incoming, _limited(descriptor, limits.bytes_each, place))
    image = ImageRecord(position, sha256, _format(incoming, limits, place), size)
    os.rename(incoming, into.parent / image.path)
    return image


def _limited(descriptor: int, most: int, place: str) -> Iterator[bytes]:
    size = 0
    while chunk := os.read(descriptor, CHUNK):
        size += len(chunk)
        if size > most:
            raise IntakeError(f"{place} is refused: it has more than {most:,} bytes.")
        yield chunk


def _format(path: Path, limits: Limits, place: str) -> str:
    """Decodes an image whole and says what it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what is refused here
            with Image.open(path, formats=FORMATS) as image:
                size = f"{image.width} × {image.height} pixels"
                if image.width * image.height > limits.pixels:
                    raise IntakeError(f"{place} is refused: {size}, at most {limits.pixels:,}.")
                if max(image.size) > limits.longest * min(image.size):
                    raise IntakeError(f"{place} is refused: {size}, one side at most {limits.longest} times the other.")
                image.load()
                if image.mode in ("I", "F"):
                    raise IntakeError(f"{place} is refused: 32-bit pixels. Save it with 8 or 16 bits.")
                return {"MPO": "jpeg"}.get(image.format or "", (image.format or "").lower())
    except (IntakeError, MemoryError):
        raise
    except Exception:  # damaged bytes make Pillow's decoders raise nearly anything
        why = f"it is no image that can be decoded ({', '.join(FORMATS)})"
    raise IntakeError(f"{place} is refused: {why}.")


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
