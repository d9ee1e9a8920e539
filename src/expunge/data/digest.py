"""Digests of pictures: whether two are the same, bit for bit, wherever they lie."""

import hashlib

import numpy as np
from PIL import Image

from expunge.data.files import FileSample
from expunge.data.images import Sample


def sample_digest(sample: Sample) -> str:
    """SHA-256 of a file's bytes, or of the pixels of a sample that is no file."""
    if isinstance(sample, FileSample):
        return hashlib.sha256(sample.path.read_bytes()).hexdigest()
    pixels = sample.load()
    values = np.asarray(pixels) if isinstance(pixels, Image.Image) else pixels.detach().cpu().numpy()
    return hashlib.sha256(f"{values.dtype}{values.shape}".encode() + values.tobytes()).hexdigest()
