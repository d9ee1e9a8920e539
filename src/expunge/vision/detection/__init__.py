"""Object detectors with DETR's shape behind one face: queries, matching, the set criterion, boxes."""

from expunge.vision.detection.ap50 import ap50, mean
from expunge.vision.detection.boxes import overlaps, pairs, to_centres, to_corners
from expunge.vision.detection.criterion import Criterion, SetLoss, criterion_of
from expunge.vision.detection.detect import Detections, detect
from expunge.vision.detection.loading import load_detector
from expunge.vision.detection.matching import Costs, Match, Matched, assign, cost_matrix, match, matched
from expunge.vision.detection.model import DetectionModel
from expunge.vision.detection.output import DetectionOutput, Kind
from expunge.vision.detection.own_weights import Origin, read_origin, read_own_weights
from expunge.vision.detection.preprocess import DetectionPreprocess, fixed_preprocess, load_detection_preprocess
from expunge.vision.detection.recognise import holds_detector
from expunge.vision.detection.scene_states import (
    BorrowedStates,
    Objects,
    SceneCache,
    SceneView,
    locate,
    look,
    shared_caches,
)
from expunge.vision.detection.targets import Target, target_of, targets_of

__all__ = [
    "BorrowedStates",
    "Costs",
    "Criterion",
    "DetectionModel",
    "DetectionOutput",
    "DetectionPreprocess",
    "Detections",
    "Kind",
    "Match",
    "Matched",
    "Objects",
    "Origin",
    "SceneCache",
    "SceneView",
    "SetLoss",
    "Target",
    "ap50",
    "assign",
    "cost_matrix",
    "criterion_of",
    "detect",
    "fixed_preprocess",
    "holds_detector",
    "load_detection_preprocess",
    "load_detector",
    "locate",
    "look",
    "match",
    "matched",
    "mean",
    "overlaps",
    "pairs",
    "read_origin",
    "read_own_weights",
    "shared_caches",
    "target_of",
    "targets_of",
    "to_centres",
    "to_corners",
]
