"""Erasure requests carried out in order, measured and written down; and models measured side by side."""

from expunge.runs.calibrating import calibrate_to
from expunge.runs.comparing import ModelComparison
from expunge.runs.forgetting import ForgetRun, forget
from expunge.runs.loading import load, read, task_at
from expunge.runs.measure import measure
from expunge.runs.measuring import ShadowModels, measure_models, policy_keys
from expunge.runs.outputs import RunFolder, writing
from expunge.runs.reporting import environment
from expunge.runs.run import Run, Stage
from expunge.runs.scorecard_folder import check_free, write_scorecard
from expunge.runs.strangers import strangers_of

__all__ = [
    "ForgetRun",
    "ModelComparison",
    "Run",
    "RunFolder",
    "ShadowModels",
    "Stage",
    "calibrate_to",
    "check_free",
    "environment",
    "forget",
    "load",
    "measure",
    "measure_models",
    "policy_keys",
    "read",
    "strangers_of",
    "task_at",
    "write_scorecard",
    "writing",
]
