"""What is measured of detectors: COCO's average precision, what their queries still know, what they say instead."""

from expunge.evidence.detection.average_precision import AveragePrecision, ClassAP, average_precision, mean_of
from expunge.evidence.detection.protocol import DetectionMeasure, DetectionView, SceneCase, view_scenes
from expunge.evidence.detection.registry import detection_measure_names, make_detection_measure
from expunge.evidence.detection.relabelling import Relabelling
from expunge.evidence.detection.request import measure_scene_baseline, measure_scene_request

__all__ = [
    "AveragePrecision",
    "ClassAP",
    "DetectionMeasure",
    "DetectionView",
    "Relabelling",
    "SceneCase",
    "average_precision",
    "detection_measure_names",
    "make_detection_measure",
    "mean_of",
    "measure_scene_baseline",
    "measure_scene_request",
    "view_scenes",
]
