"""Tasks, the kinds of thing a model can be asked to forget: one folder each, all behind one protocol."""

from expunge.tasks.budget import Budget, available
from expunge.tasks.plan import Plan, check_examples, make_plan
from expunge.tasks.protocol import Task
from expunge.tasks.registry import find_task, task_names, task_of
from expunge.tasks.request import Available, ForgetTask, Gathered, Progress
from expunge.tasks.rows import HeadRows
from expunge.tasks.scores import Scores, Share, harmonic_mean
from expunge.tasks.shown import Answers, Example, Fate, FoundBox, Prediction, ScenePicture, Shown
from expunge.tasks.trainable import AnyTask, B, Score, T, Trainable
from expunge.tasks.views import Observed, View, Viewed
from expunge.tasks.words import Words

__all__ = [
    "Answers",
    "AnyTask",
    "Available",
    "B",
    "Budget",
    "Example",
    "Fate",
    "ForgetTask",
    "FoundBox",
    "Gathered",
    "HeadRows",
    "Observed",
    "Plan",
    "Prediction",
    "Progress",
    "ScenePicture",
    "Score",
    "Scores",
    "Share",
    "Shown",
    "T",
    "Task",
    "Trainable",
    "View",
    "Viewed",
    "Words",
    "available",
    "check_examples",
    "find_task",
    "harmonic_mean",
    "make_plan",
    "task_names",
    "task_of",
]
