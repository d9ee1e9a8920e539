"""Teacher: outputs of the detector for scenes before a method changed it, and the distance from there.

Queries that are chosen by content, as those of a two-stage detector are, change places when the encoder is edited. So
the queries of a picture are paired with the old ones anew each time, the cheapest assignment of one to one, which costs
nothing where nothing has changed. Where queries are learned and keep their places, it finds those places.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.data import Scenes
from expunge.tasks.classification.teacher import first_rows, softened_cross_entropy
from expunge.tasks.detection.batches import SceneBatch, at_images, outputs
from expunge.tasks.request import ForgetTask
from expunge.vision.detection import Criterion, DetectionOutput, SceneCache, assign, overlaps, pairs, to_corners


class SceneTeacher:
    """The queries of every scene of a request, frozen at the moment of creation, and what of them is taught.

    Scenes of the replay may still show objects of the targets: their boxes are gone, the picture is not. What the
    detector said of these classes, and of those forgotten before, is therefore left out. Every other class is taught at
    every query. At one that shows a target, a detector of sigmoids is so taught that it is none of them; one of a
    softmax, how the rest of the probability was shared. Training scenes are run in the precision of training steps,
    validation scenes in that of the judge, as the student is.
    """

    def __init__(self, cache: SceneCache, task: ForgetTask[Scenes]):
        """Runs the detector once over the forget, retain and validation scenes."""
        model = cache.model
        self._criterion = model.criterion
        gone = {*task.targets, *task.forgotten}
        rows = len(model.classes) + (model.kind == "softmax")
        self._kept = [row for row in range(rows) if row not in gone]
        found = [outputs(cache, part, as_trained=True) for part in (task.forget, task.retain) if len(part)]
        if len(task.validation):
            found.append(outputs(cache, task.validation))
        columns = zip(*((one.features, one.logits, one.boxes) for one in found), strict=True)
        self._output = DetectionOutput(*(torch.cat(column) for column in columns), kind=model.kind)
        self._rows = first_rows((*task.forget.samples, *task.retain.samples, *task.validation.samples))

    def pair(self, batch: SceneBatch) -> tuple[DetectionOutput, DetectionOutput]:
        """Outputs now and then for a batch's scenes, query by query, without the classes that go."""
        old = self._without_gone(at_images(self._output, [self._rows[scene.sample] for scene in batch.scenes]))
        return in_order_of(self._without_gone(batch.output), old, self._criterion), old

    def softened(self, now: DetectionOutput, old: DetectionOutput, temperature: float) -> Float[Tensor, ""]:
        """See `softened`."""
        return softened(now, old, temperature)

    def _without_gone(self, output: DetectionOutput) -> DetectionOutput:
        return DetectionOutput(output.features, output.logits[..., self._kept], output.boxes, output.kind)


def in_order_of(now: DetectionOutput, old: DetectionOutput, criterion: Criterion) -> DetectionOutput:
    """`now` with each picture's queries in the order of those of `old` that they are paired with.

    A pair costs what its boxes differ by, weighed as in the criterion, and the absolute difference of its
    probabilities: two queries with one box and two opinions are told apart.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    here, there = now.probabilities.detach().float(), old.probabilities.float()
    orders = []
    for i in range(len(now)):
        boxes = now.boxes[i].detach().float()
        _, giou = pairs(to_corners(boxes), to_corners(old.boxes[i].float()))
        apart = criterion.l1 * torch.cdist(boxes, old.boxes[i].float(), p=1) + criterion.giou * (1 - giou)
        orders.append(assign(apart + criterion.label * torch.cdist(here[i], there[i], p=1)).queries)
    order = torch.stack(orders).to(now.logits.device)
    images = torch.arange(len(now), device=order.device)[:, None]
    return DetectionOutput(now.features[images, order], now.logits[images, order], now.boxes[images, order], now.kind)


def box_distance(now: Float[Tensor, "n q 4"], old: Float[Tensor, "n q 4"], criterion: Criterion) -> Float[Tensor, ""]:
    """Mean over queries of the criterion's two box terms, with the old boxes for truth."""
    _, giou = overlaps(to_corners(now), to_corners(old))
    return (criterion.l1 * (now - old).abs().sum(-1) + criterion.giou * (1 - giou)).mean()


def softened(now: DetectionOutput, old: DetectionOutput, temperature: float) -> Float[Tensor, ""]:
    """Mean over queries of the cross-entropy in nats between the old and the new softened probabilities.

    Logits are divided by the temperature before the softmax, or before each class's sigmoid, whose cross-entropies are
    added up.
    """
    rows = now.logits.shape[-1]
    q, p = now.logits.reshape(-1, rows), old.logits.reshape(-1, rows)
    if now.kind == "softmax":
        return softened_cross_entropy(q, p, temperature)
    chances = (p / temperature).sigmoid()
    return functional.binary_cross_entropy_with_logits(q / temperature, chances, reduction="sum") / len(q)
