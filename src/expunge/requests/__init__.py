"""Erasure requests carried out in order, measured and written down."""

from expunge.methods.plan import Plan, make_plan
from expunge.requests.api import ForgetRun, forget
from expunge.requests.detection.api import SceneRun, forget_scenes
from expunge.requests.loading import is_detection, load_any_model, load_data, load_model, load_scenes
from expunge.requests.outputs import RunFolder
from expunge.requests.run import Stage
from expunge.requests.sequence import SequenceRun

__all__ = [
    "ForgetRun",
    "Plan",
    "RunFolder",
    "SceneRun",
    "SequenceRun",
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
