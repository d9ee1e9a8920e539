"""The report: one HTML file that needs nothing but itself."""

from expunge.evidence.report.pictures import Answers, Fate, FoundBox, ScenePicture
from expunge.evidence.report.render import render_report
from expunge.evidence.report.values import ClassAccuracy, Example, GroupNorms, Prediction, Report

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
    "render_report",
]
