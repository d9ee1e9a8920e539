"""Scenes composed from real photo cut-outs in front of real places, with boxes: what small detectors learn from."""

from expunge.zoo.scenes.coco import write_coco
from expunge.zoo.scenes.compose import Scene, scene, scenes
from expunge.zoo.scenes.cutouts import CLASSES, SPLITS, CutOut, Split, cutouts

__all__ = ["CLASSES", "SPLITS", "CutOut", "Scene", "Split", "cutouts", "scene", "scenes", "write_coco"]
