"""Tasks, the kinds of thing a model can be asked to forget: one folder each, all behind one protocol."""

from expunge.tasks.budget import Budget, available
from expunge.tasks.plan import Plan, check_examples, make_plan
from expunge.tasks.protocol import Task
from expunge.tasks.registry import find_task, task_names, task_of
from expunge.tasks.request import Available, ForgetTask, Gathered, Progress
from expunge.tasks.rows import HeadRows
from expunge.tasks.scores import Scores, Share, harmonic_mean
from expunge.tasks.trainable import AnyTask, B, Score, T, Trainable
from expunge.tasks.views import Observed, View, Viewed

__all__ = [
    "AnyTask",
    "Available",
    "B",
    "Budget",
    "ForgetTask",
    "Gathered",
    "HeadRows",
    "Observed",
    "Plan",
    "Progress",
    "Score",
    "Scores",
    "Share",
    "T",
    "Task",
    "Trainable",
    "View",
    "Viewed",
    "available",
    "check_examples",
    "find_task",
    "harmonic_mean",
    "make_plan",
    "task_names",
    "task_of",
]
