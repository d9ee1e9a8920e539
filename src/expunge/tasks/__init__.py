"""What a model can be asked to forget: one folder a task, all behind one protocol."""

from expunge.tasks.budget import Budget, available
from expunge.tasks.plan import Plan, make_plan
from expunge.tasks.protocol import Task
from expunge.tasks.registry import find_task, task_names, task_of
from expunge.tasks.request import Available, ForgetTask, Gathered, Progress
from expunge.tasks.scores import Scores, Share, harmonic_mean
from expunge.tasks.views import Observed

__all__ = [
    "Available",
    "Budget",
    "ForgetTask",
    "Gathered",
    "Observed",
    "Plan",
    "Progress",
    "Scores",
    "Share",
    "Task",
    "available",
    "find_task",
    "harmonic_mean",
    "make_plan",
    "task_names",
    "task_of",
]
