"""Erasure requests carried out in order, measured and written down; and models measured side by side."""

from expunge.runs.api import ForgetRun, forget
from expunge.runs.loading import load, read, task_at
from expunge.runs.outputs import RunFolder
from expunge.runs.run import Stage
from expunge.runs.sequence import SequenceRun

__all__ = ["ForgetRun", "RunFolder", "SequenceRun", "Stage", "forget", "load", "read", "task_at"]
