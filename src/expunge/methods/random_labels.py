"""Random labels: teach the forget images a wrong class, next to the replay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from expunge.adapters import Tuned
from expunge.data import Images
from expunge.methods.fine_tuning import FineTuning
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Batch, Context, Objective


@dataclass(frozen=True)
class RandomLabels(FineTuning):
    """L_retain + β · L(forget images, random retained classes), with the head's own loss for both.

    Each forget image gets one wrong label, drawn once a request and evenly among all classes that stay, those without a
    replayed image included. Nothing is pushed beyond that label, so no bound is needed.

    Attributes:
        beta: Weight of the loss on relabelled forget images; 1 weighs a relabelled image like a replayed one.
    """

    beta: float = 1.0

    name: ClassVar[str] = "random-labels"
    summary: ClassVar[str] = "fine-tune the forget images on random retained classes, next to the replay"
    source: ClassVar[str] = "Graves et al., AAAI 2021, arXiv 2010.10981; Golatkar et al., CVPR 2020, arXiv 1911.04933"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def objective(self, context: Context, task: ForgetTask[Images], weights: Tuned) -> Objective:
        """Loss on the replay and on the relabelled forget images."""
        model, relabelling = context.model, Relabelling(task, len(context.model.classes), context.seed)

        def loss(retain: Batch, forget: Batch) -> Tensor:
            retained = model.loss(retain.output.logits, retain.labels)
            return retained + self.beta * model.loss(forget.output.logits, relabelling.labels(forget))

        return loss


class Relabelling:
    """One wrong label, a class that stays, for every image of the targets."""

    def __init__(self, task: ForgetTask[Images], classes: int, seed: int):
        """Draws the labels of the forget images and of the targets' validation images, evenly among what stays."""
        kept = torch.tensor(staying(task, classes))
        samples = (*task.forget.samples, *task.validation.only(task.targets).samples)
        drawn = torch.randint(len(kept), (len(samples),), generator=torch.Generator().manual_seed(seed))
        self._labels = dict(zip(samples, kept[drawn].tolist(), strict=True))

    def labels(self, batch: Batch) -> Int[Tensor, " n"]:
        """The wrong labels of a forget batch, on its device."""
        found = [self._labels[sample] for sample in batch.samples]
        return torch.tensor(found, device=batch.labels.device, dtype=torch.int64)


def staying(task: ForgetTask[Images], classes: int) -> list[int]:
    """Indices of the classes that neither this request nor an earlier one takes."""
    gone = {*task.targets, *task.forgotten}
    return [index for index in range(classes) if index not in gone]
