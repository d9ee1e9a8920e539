"""What is measured after a request, how sure it is, and the report that shows it."""

from expunge.evidence.accuracy import accuracy, accuracy_of, harmonic_mean, mask_classes, per_class
from expunge.evidence.intervals import wilson
from expunge.evidence.measure import Work, measure_baseline, measure_request
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
)
from expunge.evidence.report import (
    ClassAccuracy,
    Example,
    GroupNorms,
    Prediction,
    Report,
    render_report,
)

__all__ = [
    "Baseline",
    "Change",
    "ClassAccuracy",
    "Example",
    "GroupNorms",
    "Groups",
    "HeadMask",
    "ImagesUsed",
    "Metrics",
    "ModelInfo",
    "Parameters",
    "Prediction",
    "Report",
    "RequestMetrics",
    "Work",
    "accuracy",
    "accuracy_of",
    "harmonic_mean",
    "mask_classes",
    "measure_baseline",
    "measure_request",
    "per_class",
    "render_report",
    "wilson",
]
