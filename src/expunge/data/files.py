"""Images in files, decoded with Pillow when asked for."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from expunge.data.pixels import reading, to_rgb

IMAGE_SUFFIXES = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)

# Only what those suffixes stand for: Pillow would hand a file that is PostScript inside to Ghostscript.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF", "AVIF")


@dataclass(frozen=True, slots=True)
class FileSample:
    """An image file below a data root.

    Attributes:
        root: Folder of the data set.
        name: The file's path below `root`, with forward slashes; the same wherever the data set lies.
    """

    root: Path
    name: str

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.root / self.name

    def load(self) -> Image.Image:
        """Reads the file once and closes it: upright, RGB, the first of several frames.

        Raises:
            UnreadableImageError: The file is missing, damaged, of another format, or has more pixels than
                `PIL.Image.MAX_IMAGE_PIXELS`.
        """
        with reading(str(self.path)), Image.open(self.path, formats=_FORMATS) as image:
            return to_rgb(image)
