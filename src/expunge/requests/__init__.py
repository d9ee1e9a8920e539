"""Erasure requests carried out in order, measured and written down."""

from expunge.methods.plan import Plan, make_plan
from expunge.requests.api import ForgetRun, forget, load_data, load_model
from expunge.requests.outputs import RunFolder
from expunge.requests.sequence import SequenceRun, Stage

__all__ = ["ForgetRun", "Plan", "RunFolder", "SequenceRun", "Stage", "forget", "load_data", "load_model", "make_plan"]
