"""Nearest class centre: how often an image lies nearest to its own class's mean; no head and nothing to fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.evidence.measures._readings import attackable, no_attack, rate_reading
from expunge.evidence.protocol import Aim, Case, Reading
from expunge.evidence.strangers.lineup import Lineup, Side
from expunge.tasks import Observed
from expunge.tasks.classification import accuracy_of, worst
from expunge.values import Rate


@dataclass(frozen=True)
class NearestCentre:
    """Gives each test image the class whose centre, the mean feature of its attack images, is nearest; all classes.

    The distance is Euclid's, as in the definition of the nearest class-centre rule, towards which a trained head
    converges (neural collapse). A model whose head compares cosines is better judged by the row with the cosine of
    feature and centre, where lengths play no part.
    """

    name: ClassVar[str] = "nearest-centre"
    summary: ClassVar[str] = "how often forgotten images lie nearest to their own class's mean feature"
    source: ClassVar[str] = "Gao et al. (CMF), arXiv 2604.08271; rule: Papyan et al., arXiv 2008.08186"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "nearest_centre": "nearest centre",
        "nearest_centre_worst": "nearest centre, worst class",
        "nearest_centre_retained": "nearest centre, retained",
        "nearest_centre_cosine": "nearest centre, by cosine",
    }
    known_side: ClassVar[Mapping[str, Side]] = {"nearest_centre": "above", "nearest_centre_cosine": "above"}

    def missing(self, case: Case) -> str | None:
        """Needs attack and test images of a forgotten class, and attack images of a retained one."""
        return no_attack(case)

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Accuracy on the forgotten classes that have attack images, and on the retained ones that have.

        Where several are forgotten, the one that is found best has a row of its own: a rate over many would hide it.
        """
        attack, test = case.features.attack, case.features.test
        known = set(attack.labels.tolist()).intersection(case.retain)
        forgotten = attackable(case)
        near, alike = nearness(attack, test), nearness(attack, test, cosine=True)
        rows: tuple[tuple[str, Rate | None, Aim], ...] = (
            ("nearest_centre", accuracy_of(near, test.labels, forgotten), "oracle"),
            ("nearest_centre_worst", worst(accuracy_of(near, test.labels, [one]) for one in forgotten), "oracle"),
            ("nearest_centre_retained", accuracy_of(near, test.labels, known), "high"),
            ("nearest_centre_cosine", accuracy_of(alike, test.labels, forgotten), "oracle"),
        )
        return tuple(rate_reading(key, rate.hits / rate.n, rate.n, aim) for key, rate, aim in rows if rate and rate.n)

    def by_class(self, lineup: Lineup) -> Mapping[str, Float[Tensor, " candidates"]]:
        """Accuracy on each candidate in percent, among the centres of retained classes and candidates together."""
        attack = lineup.view.attack.only({*lineup.retain, *lineup.candidates})
        test = lineup.view.test.only(lineup.candidates)
        found = {}
        for key, cosine in (("nearest_centre", False), ("nearest_centre_cosine", True)):
            near = nearness(attack, test, cosine=cosine)
            rates = [accuracy_of(near, test.labels, [one]).percent for one in lineup.candidates]
            found[key] = torch.tensor(rates, dtype=torch.float64)
        return found


def nearness(attack: Observed, test: Observed, *, cosine: bool = False) -> Float[Tensor, "n classes"]:
    """Nearness of each test image to each class's centre, in float32, which rounds what only rounding tells apart.

    Args:
        attack: Images whose mean features are the centres.
        test: Images to place.
        cosine: By the cosine of feature and centre in place of Euclid's distance.

    Returns:
        Minus the distance in units of the mean length of a centre's difference from all centres' mean, or the cosine;
        minus infinity for a class without attack images.
    """
    classes = int(max(attack.labels.max(), test.labels.max(), torch.tensor(attack.logits.shape[1] - 1))) + 1
    present = attack.labels.unique()
    centres = torch.stack([attack.only([label]).embedding.double().mean(0) for label in present.tolist()])
    origin, z = centres.mean(0), test.embedding.double()
    if cosine:
        near = functional.normalize(z, dim=1) @ functional.normalize(centres, dim=1).T
    else:
        # From the differences themselves: expanding the square would lose what sets near points apart.
        scale = (centres - origin).norm(dim=1).mean().clamp_min(1e-12)
        near = -torch.stack([(z - centre).norm(dim=1) for centre in centres], dim=1) / scale
    placed = near.new_full((len(z), classes), float("-inf"))
    placed[:, present] = near
    return placed.float()
