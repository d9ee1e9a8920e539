"""Object detectors: boxes with classes in scenes."""

from expunge.tasks.detection.batches import SceneBatch, SceneObjective
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.detection.task import Detection
from expunge.tasks.detection.teacher import SceneTeacher
from expunge.tasks.detection.views import DetectionView, view_scenes

__all__ = [
    "Detection",
    "DetectionView",
    "SceneBatch",
    "SceneContext",
    "SceneObjective",
    "SceneTeacher",
    "view_scenes",
]
