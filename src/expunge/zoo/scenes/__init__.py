"""Scenes composed from portraits of real people before textures, with boxes: what a small detector learns from."""

from expunge.zoo.scenes.coco import write_coco
from expunge.zoo.scenes.compose import Scene, scene, scenes
from expunge.zoo.scenes.cutouts import CLASSES, SPLITS, CutOut, cutouts

__all__ = ["CLASSES", "SPLITS", "CutOut", "Scene", "cutouts", "scene", "scenes", "write_coco"]
