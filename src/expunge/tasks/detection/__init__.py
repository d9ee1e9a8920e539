"""Object detectors: boxes with classes in scenes."""

from expunge.tasks.detection.answers import best_threshold, fired
from expunge.tasks.detection.average_precision import average_precision, mean_of
from expunge.tasks.detection.batches import SceneBatch, SceneObjective
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.detection.matching import ClassMatches, corners_of, match_scenes, overlap
from expunge.tasks.detection.scores import Precisions
from expunge.tasks.detection.task import Detection
from expunge.tasks.detection.teacher import SceneTeacher, box_distance, softened
from expunge.tasks.detection.views import DetectionView, view_scenes

__all__ = [
    "ClassMatches",
    "Detection",
    "DetectionView",
    "Precisions",
    "SceneBatch",
    "SceneContext",
    "SceneObjective",
    "SceneTeacher",
    "average_precision",
    "best_threshold",
    "box_distance",
    "corners_of",
    "fired",
    "match_scenes",
    "mean_of",
    "overlap",
    "softened",
    "view_scenes",
]
