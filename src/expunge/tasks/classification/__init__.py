"""Image classifiers: one class an image."""

from expunge.tasks.classification.accuracy import accuracy, accuracy_of, mask_classes, per_class, worst
from expunge.tasks.classification.batches import Batch, Objective, make_batch, output_as_trained
from expunge.tasks.classification.bounds import prototype_bound
from expunge.tasks.classification.context import Context
from expunge.tasks.classification.task import Classification
from expunge.tasks.classification.teacher import Teacher
from expunge.tasks.classification.views import observe, view

__all__ = [
    "Batch",
    "Classification",
    "Context",
    "Objective",
    "Teacher",
    "accuracy",
    "accuracy_of",
    "make_batch",
    "mask_classes",
    "observe",
    "output_as_trained",
    "per_class",
    "prototype_bound",
    "view",
    "worst",
]
