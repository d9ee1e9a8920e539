"""Measurements after a request, how sure they are, and the report that shows them."""

from expunge.evidence.advice import HOPELESS, advice
from expunge.evidence.measure import Work, change_of, measure_baseline, measure_request
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
    Task,
    WeightsAlone,
)
from expunge.evidence.policy import Policy, Rule, load_policy, named_for
from expunge.evidence.protocol import EVERY_TASK, Aim, Case, Measure, Reading, Shadows, take
from expunge.evidence.reasons import Reason
from expunge.evidence.registry import make_measure, make_measures, measure_names
from expunge.evidence.report import (
    ClassAccuracy,
    Example,
    GroupNorms,
    Prediction,
    Report,
    render_report,
)
from expunge.evidence.scorecard import DERIVED, ModelName, Row, Scorecard, make_rows
from expunge.evidence.scorecard_figure import number, render_figure, shown
from expunge.evidence.scorecard_groups import HEADLINE, HINTS, grouped, in_order, on_axis, struck
from expunge.evidence.scorecard_page import render_markdown, render_page
from expunge.evidence.scorecard_words import SAYS, headline, said
from expunge.evidence.verdict import Outcome, Verdict, judge, outcome_of, reasons_of
from expunge.intervals import wilson
from expunge.tasks import Observed, View, harmonic_mean
from expunge.tasks.classification import accuracy, accuracy_of, mask_classes, observe, per_class, view

__all__ = [
    "DERIVED",
    "EVERY_TASK",
    "HEADLINE",
    "HINTS",
    "HOPELESS",
    "SAYS",
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
    "ModelName",
    "Observed",
    "Outcome",
    "Parameters",
    "Policy",
    "Prediction",
    "Reading",
    "Reason",
    "Report",
    "RequestMetrics",
    "Row",
    "RowsInPlace",
    "Rule",
    "Scorecard",
    "Shadows",
    "Task",
    "Verdict",
    "View",
    "WeightsAlone",
    "Work",
    "accuracy",
    "accuracy_of",
    "advice",
    "change_of",
    "grouped",
    "harmonic_mean",
    "headline",
    "in_order",
    "judge",
    "load_policy",
    "make_measure",
    "make_measures",
    "make_rows",
    "mask_classes",
    "measure_baseline",
    "measure_names",
    "measure_request",
    "named_for",
    "number",
    "observe",
    "on_axis",
    "outcome_of",
    "per_class",
    "reasons_of",
    "render_figure",
    "render_markdown",
    "render_page",
    "render_report",
    "said",
    "shown",
    "struck",
    "take",
    "view",
    "wilson",
]
