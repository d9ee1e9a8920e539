"""The report: one HTML file that needs nothing but itself."""

from expunge.evidence.report._formats import count, percent, plural, points, span
from expunge.evidence.report.render import render_report
from expunge.evidence.report.values import ClassAccuracy, GroupNorms, Report
from expunge.tasks import Answers, Example, Fate, FoundBox, Prediction, ScenePicture

__all__ = [
    "Answers",
    "ClassAccuracy",
    "Example",
    "Fate",
    "FoundBox",
    "GroupNorms",
    "Prediction",
    "Report",
    "ScenePicture",
    "count",
    "percent",
    "plural",
    "points",
    "render_report",
    "span",
]
