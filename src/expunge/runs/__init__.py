"""Erasure requests carried out in order, measured and written down; and models measured side by side."""

from expunge.runs.api import ForgetRun, forget
from expunge.runs.loading import load, read, task_at
from expunge.runs.measure import measure
from expunge.runs.outputs import RunFolder
from expunge.runs.run import Run, Stage

__all__ = ["ForgetRun", "Run", "RunFolder", "Stage", "forget", "load", "measure", "read", "task_at"]
