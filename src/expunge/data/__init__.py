"""Images with labels, from folders and data set objects, split into training, validation and test."""

from expunge.data.augment import augment
from expunge.data.datasets import from_hf
from expunge.data.files import IMAGE_SUFFIXES, FileSample
from expunge.data.folder import load_folder
from expunge.data.images import Images, Sample
from expunge.data.items import from_torch
from expunge.data.match import align
from expunge.data.pixels import Pixels, to_rgb
from expunge.data.splits import Splits, carve
from expunge.data.verify import verify
from expunge.data.views import few_shot, replay

__all__ = [
    "IMAGE_SUFFIXES",
    "FileSample",
    "Images",
    "Pixels",
    "Sample",
    "Splits",
    "align",
    "augment",
    "carve",
    "few_shot",
    "from_hf",
    "from_torch",
    "load_folder",
    "replay",
    "to_rgb",
    "verify",
]
