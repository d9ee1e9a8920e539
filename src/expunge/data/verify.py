"""Finding every unreadable image before any work starts."""

from collections.abc import Sequence

from expunge.data.files import FileSample
from expunge.data.images import Images
from expunge.errors import UnreadableImageError

_SHOWN = 10


def verify(images: Images) -> tuple[str, ...]:
    """Decodes every image once and says which cannot be read.

    Returns:
        The paths of unreadable files, or the names of samples that are no files, in the order of `images`.
    """
    return tuple(_place(images, position) for position in unreadable(images))


def unreadable(images: Images) -> tuple[int, ...]:
    """Positions of the images that cannot be decoded."""
    return tuple(position for position in range(len(images)) if not _readable(images, position))


def _readable(images: Images, position: int) -> bool:
    try:
        images.samples[position].load()
    except UnreadableImageError:
        return False
    return True


def _place(images: Images, position: int) -> str:
    sample = images.samples[position]
    return str(sample.path) if isinstance(sample, FileSample) else sample.name


def cannot_read(bad: Sequence[str]) -> UnreadableImageError:
    """The error for images that cannot be decoded, by their names."""
    shown = ", ".join(bad[:_SHOWN]) + (", …" if len(bad) > _SHOWN else "")
    return UnreadableImageError(
        f"{len(bad)} images cannot be read: {shown}. Replace them, or leave them out with --skip-unreadable "
        "(skip_unreadable=True)"
    )
