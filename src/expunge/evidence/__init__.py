"""What is measured after a request, how sure it is, and the report that shows it."""

from expunge.evidence.measure import Work, measure_baseline, measure_request
from expunge.evidence.measures.forgetting import Forgetting
from expunge.evidence.measures.rows_in_place import RowsInPlace
from expunge.evidence.metrics import (
    Baseline,
    Change,
    Groups,
    HeadMask,
    ImagesUsed,
    Metrics,
    ModelInfo,
    Parameters,
    RequestMetrics,
    WeightsAlone,
)
from expunge.evidence.protocol import EVERY_TASK, Aim, Case, Measure, Reading, Shadows
from expunge.evidence.registry import make_measure, make_measures, measure_names
from expunge.evidence.report import (
    ClassAccuracy,
    Example,
    GroupNorms,
    Prediction,
    Report,
    render_report,
)
from expunge.intervals import wilson
from expunge.tasks.classification.accuracy import accuracy, accuracy_of, mask_classes, per_class
from expunge.tasks.classification.views import observe, view
from expunge.tasks.scores import harmonic_mean
from expunge.tasks.views import Observed, View

__all__ = [
    "EVERY_TASK",
    "Aim",
    "Baseline",
    "Case",
    "Change",
    "ClassAccuracy",
    "Example",
    "Forgetting",
    "GroupNorms",
    "Groups",
    "HeadMask",
    "ImagesUsed",
    "Measure",
    "Metrics",
    "ModelInfo",
    "Observed",
    "Parameters",
    "Prediction",
    "Reading",
    "Report",
    "RequestMetrics",
    "RowsInPlace",
    "Shadows",
    "View",
    "WeightsAlone",
    "Work",
    "accuracy",
    "accuracy_of",
    "harmonic_mean",
    "make_measure",
    "make_measures",
    "mask_classes",
    "measure_baseline",
    "measure_names",
    "measure_request",
    "observe",
    "per_class",
    "render_report",
    "view",
    "wilson",
]
