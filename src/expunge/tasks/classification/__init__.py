"""Image classifiers: one class an image."""

from expunge.tasks.classification.batches import Batch, Objective
from expunge.tasks.classification.context import Context
from expunge.tasks.classification.task import Classification
from expunge.tasks.classification.teacher import Teacher
from expunge.tasks.classification.views import observe, view

__all__ = ["Batch", "Classification", "Context", "Objective", "Teacher", "observe", "view"]
