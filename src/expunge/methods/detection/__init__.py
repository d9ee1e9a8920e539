"""Methods that make a detector forget classes of objects: one file each, all behind `DetectionMethod`."""

from expunge.methods.detection.protocol import DetectionMethod, SceneBatch, SceneContext, SceneObjective, SceneTask
from expunge.methods.detection.registry import detection_methods, make_detection_method

__all__ = [
    "DetectionMethod",
    "SceneBatch",
    "SceneContext",
    "SceneObjective",
    "SceneTask",
    "detection_methods",
    "make_detection_method",
]
