"""What is measured of detectors: COCO's average precision, what their queries still know, what they say instead."""

from expunge.evidence.detection.average_precision import AveragePrecision
from expunge.evidence.detection.lineup import scene_lineup
from expunge.evidence.detection.protocol import DetectionMeasure, SceneCase
from expunge.evidence.detection.registry import detection_measure_names, make_detection_measure
from expunge.evidence.detection.relabelling import Relabelling
from expunge.evidence.detection.request import measure_scene_baseline, measure_scene_request
from expunge.evidence.detection.rows_in_place import RowsInPlace
from expunge.tasks.detection.average_precision import ClassAP, average_precision, mean_of
from expunge.tasks.detection.views import DetectionView, view_scenes

__all__ = [
    "AveragePrecision",
    "ClassAP",
    "DetectionMeasure",
    "DetectionView",
    "Relabelling",
    "RowsInPlace",
    "SceneCase",
    "average_precision",
    "detection_measure_names",
    "make_detection_measure",
    "mean_of",
    "measure_scene_baseline",
    "measure_scene_request",
    "scene_lineup",
    "view_scenes",
]
