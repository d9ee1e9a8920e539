"""Images with labels or boxes, from folders and data set objects, split into training, validation and test."""

from expunge.data.augment import augment
from expunge.data.coco import load_coco
from expunge.data.coco_folder import is_coco, load_coco_splits
from expunge.data.datasets import from_hf
from expunge.data.digest import sample_digest
from expunge.data.examples import E, Examples
from expunge.data.files import IMAGE_SUFFIXES, FileSample
from expunge.data.folder import load_folder
from expunge.data.images import Images, Sample
from expunge.data.items import from_torch
from expunge.data.match import align
from expunge.data.pixels import Pixels, as_picture, thumbnail, to_rgb
from expunge.data.scene_views import few_shot_scenes, limited_scenes, replay_scenes
from expunge.data.scenes import Box, Corners, Notice, Scene, Scenes
from expunge.data.splits import Splits, carve
from expunge.data.verify import cannot_read, verify
from expunge.data.views import few_shot, limited, replay

__all__ = [
    "IMAGE_SUFFIXES",
    "Box",
    "Corners",
    "E",
    "Examples",
    "FileSample",
    "Images",
    "Notice",
    "Pixels",
    "Sample",
    "Scene",
    "Scenes",
    "Splits",
    "align",
    "as_picture",
    "augment",
    "cannot_read",
    "carve",
    "few_shot",
    "few_shot_scenes",
    "from_hf",
    "from_torch",
    "is_coco",
    "limited",
    "limited_scenes",
    "load_coco",
    "load_coco_splits",
    "load_folder",
    "replay",
    "replay_scenes",
    "sample_digest",
    "thumbnail",
    "to_rgb",
    "verify",
]
