"""Forgotten classes beside strangers: marks that no model was trained on."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from expunge.data import Images
from expunge.evidence.strangers.lineup import Lineup
from expunge.tasks.classification.views import view
from expunge.tasks.views import Observed, View
from expunge.vision import VisionModel
from tests.evidence.measures import marks
from tests.evidence.measures.conftest import EARLIER, FORGET, RETAIN

STRANGERS = tuple(range(6, 14))


def pictures(per_class: int, seed: int) -> Images:
    """So many images of each class and of each stranger."""
    labels = torch.arange(STRANGERS[-1] + 1).repeat_interleave(per_class)
    pixels = marks.draw(labels, torch.Generator().manual_seed(seed))
    samples = tuple(marks.Marked(f"{seed}/{i}", image) for i, image in enumerate(pixels))
    names = (*marks.CLASSES, *(f"stranger {c}" for c in STRANGERS))
    return Images(samples, tuple(labels.tolist()), names)


def line_up(model: VisionModel) -> Lineup:
    """Anvil and ember before eight strangers, as a model sees them."""
    attack, test = pictures(20, seed=21), pictures(20, seed=22)
    return Lineup(model, view(model, attack, test), attack, test, RETAIN, (*FORGET, *EARLIER), STRANGERS)


def renumbered(lineup: Lineup, numbers: Sequence[int]) -> Lineup:
    """The same images, class c called `numbers[c]`; the columns of the logits stay as they are."""
    new = torch.tensor(numbers)

    def seen(one: Observed) -> Observed:
        return replace(one, labels=new[one.labels])

    def images(one: Images) -> Images:
        return Images(one.samples, tuple(numbers[label] for label in one.labels), one.classes)

    _, attack, test = lineup.pictured()
    both = View(seen(lineup.view.attack), seen(lineup.view.test))
    return replace(lineup, view=both, attack=images(attack), test=images(test))
