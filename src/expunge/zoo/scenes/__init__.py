"""Scenes composed from portraits of real people before textures, with boxes: what a small detector learns from."""

from expunge.zoo.scenes.coco import write_coco
from expunge.zoo.scenes.compose import SIDE, ComposedScene, scene, scenes
from expunge.zoo.scenes.cutouts import CLASSES, PHOTOS, SPLITS, CutOut, cutouts, digest
from expunge.zoo.scenes.data import scene_splits
from expunge.zoo.scenes.detr import DetrShape
from expunge.zoo.scenes.features import GRID, MEAN, STD, WIDTH, cache_features
from expunge.zoo.scenes.model import RECIPE, SceneDetector, scenes_detector, wrap
from expunge.zoo.scenes.objective import CRITERION
from expunge.zoo.scenes.recipe import SceneRecipe, fresh, train_scenes

__all__ = [
    "CLASSES",
    "CRITERION",
    "GRID",
    "MEAN",
    "PHOTOS",
    "RECIPE",
    "SIDE",
    "SPLITS",
    "STD",
    "WIDTH",
    "ComposedScene",
    "CutOut",
    "DetrShape",
    "SceneDetector",
    "SceneRecipe",
    "cache_features",
    "cutouts",
    "digest",
    "fresh",
    "scene",
    "scene_splits",
    "scenes",
    "scenes_detector",
    "train_scenes",
    "wrap",
    "write_coco",
]
