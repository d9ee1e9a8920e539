"""Erasure requests carried out in order, measured and written down."""

from expunge.runs.api import ForgetRun, forget
from expunge.runs.detection.api import SceneRun, forget_scenes
from expunge.runs.loading import is_detection, load_any_model, load_data, load_model, load_scenes
from expunge.runs.outputs import RunFolder
from expunge.runs.run import Run, Stage
from expunge.tasks.plan import Plan, make_plan

__all__ = [
    "ForgetRun",
    "Plan",
    "Run",
    "RunFolder",
    "SceneRun",
    "Stage",
    "forget",
    "forget_scenes",
    "is_detection",
    "load_any_model",
    "load_data",
    "load_model",
    "load_scenes",
    "make_plan",
]
