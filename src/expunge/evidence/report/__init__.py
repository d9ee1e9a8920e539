"""The report: one HTML file that needs nothing but itself."""

from expunge.evidence.report.render import render_report
from expunge.evidence.report.values import ClassAccuracy, Example, GroupNorms, Prediction, Report

__all__ = ["ClassAccuracy", "Example", "GroupNorms", "Prediction", "Report", "render_report"]
