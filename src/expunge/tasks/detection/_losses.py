"""Losses that make a detector forget, and their bounds.

Replay is learned with the whole set criterion. To be pushed up, a loss must say where the detector fails at an object
of a target and nothing else. The set criterion over all queries does not: the request's scenes show boxes of the
targets alone, so every other object in them counts as a false alarm, and surer false alarms raise the loss without
anything being forgotten. What is pushed here is therefore the criterion of the queries that answer for an object. (The
released code of GS-LoRA pushes the class term over all queries, and goes on learning the boxes of what is forgotten.)
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.tasks.classification.bounds import BEYOND_CHANCE
from expunge.vision.detection import Criterion, DetectionModel, DetectionOutput, Kind, Target


def answers_loss(criterion: Criterion, output: DetectionOutput, targets: Sequence[Target]) -> Float[Tensor, ""]:
    """Mean over objects of the set criterion of the query that answers for each; other queries play no part.

    Queries are matched anew each time, as in training, so whichever query takes over an object is pushed next.
    """
    parts, objects = [], 0
    for i, found in enumerate(criterion.match(output, targets)):
        if len(found.queries):
            answers = DetectionOutput(
                output.features[i : i + 1, found.queries],
                output.logits[i : i + 1, found.queries],
                output.boxes[i : i + 1, found.queries],
                output.kind,
            )
            there = Target(targets[i].labels[found.objects], targets[i].boxes[found.objects])
            parts.append(len(there) * criterion.loss(answers, (there,)).total)
            objects += len(there)
    return torch.stack(parts).sum() / objects if parts else output.logits.sum() * 0.0


def chance_loss(criterion: Criterion, kind: Kind, classes: int) -> float:
    """`answers_loss` of a detector that knows where an object is and not what.

    Its box is right, and all `classes` and "no object" have the same probability, 1 / (classes + 1).
    """
    rows = torch.zeros(1, 1, classes + 1)
    if kind == "sigmoid":
        rows = torch.full((1, 1, classes), 1 / (classes + 1)).logit()
    box = torch.full((1, 4), 0.5)
    output = DetectionOutput(torch.zeros(1, 1, 1), rows, box[None], kind)
    return float(answers_loss(criterion, output, (Target(torch.zeros(1, dtype=torch.int64), box),)))


def forget_bound(model: DetectionModel) -> float:
    """BND where nobody says one: twice the loss at chance; see `expunge.tasks.classification.bounds`.

    For the focal loss of weight 2 over 24 classes that is 3.0, which a right box reaches when its class has a
    probability below 0.003.
    """
    return BEYOND_CHANCE * chance_loss(model.criterion, model.kind, len(model.classes))
