"""What a model can be asked to forget: one folder a task, all behind one protocol."""

from expunge.tasks.budget import Budget, available
from expunge.tasks.plan import Plan, make_plan
from expunge.tasks.protocol import Task
from expunge.tasks.registry import find_task, task_names, task_of
from expunge.tasks.request import Available, ForgetTask, Gathered, Progress

__all__ = [
    "Available",
    "Budget",
    "ForgetTask",
    "Gathered",
    "Plan",
    "Progress",
    "Task",
    "available",
    "find_task",
    "make_plan",
    "task_names",
    "task_of",
]
