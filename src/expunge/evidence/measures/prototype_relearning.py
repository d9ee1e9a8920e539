"""Relearning from prototypes: the mean feature of a few images as a row of the head, without any training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.errors import EvidenceError
from expunge.evidence.measures._readings import attackable, no_attack, rate_reading
from expunge.evidence.protocol import EVERY_TASK, Case, Reading
from expunge.evidence.strangers.lineup import Lineup, Side


@dataclass(frozen=True)
class PrototypeRelearning:
    """Rebuilds a forgotten class's row from k images and counts how often it beats the rows of all retained classes.

    The new row is a mean feature, and a mean feature has another scale than the trained rows of a softmax head, so the
    outcome of putting one beside the others would hang on a factor that the attacker has to guess. Here all rows are of
    one kind: that of a retained class is the mean of all its attack images, and rows are compared by cosine, after the
    mean of the retained rows was taken from rows and features alike (a softmax is blind to what all rows share; see
    `prototype_wins`). The head itself plays no part, so a struck row changes nothing. Forgotten classes are brought
    back one at a time: who is after one class needs no row for the others.

    Attributes:
        shots: How many images the row is made from; a number that a forgotten class has too few images for is skipped.
        draws: How many times the images are drawn; the rate is the mean over draws.
    """

    shots: tuple[int, ...] = (1, 5, 10)
    draws: int = 20

    name: ClassVar[str] = "prototype-relearning"
    summary: ClassVar[str] = "how often a head row made from 1, 5 or 10 images brings the class back"
    source: ClassVar[str] = "Ha et al. (Spotter), arXiv 2506.01318"
    slow: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = EVERY_TASK
    labels: ClassVar[Mapping[str, str]] = {
        "prototype_relearning_1": "prototype, 1 image",
        "prototype_relearning_5": "prototype, 5 images",
        "prototype_relearning_10": "prototype, 10 images",
        "prototype_relearning_1_worst": "prototype, 1 image, worst class",
        "prototype_relearning_5_worst": "prototype, 5 images, worst class",
        "prototype_relearning_10_worst": "prototype, 10 images, worst class",
    }
    known_side: ClassVar[Mapping[str, Side]] = {
        "prototype_relearning_1": "above",
        "prototype_relearning_5": "above",
        "prototype_relearning_10": "above",
    }

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        if self.draws < 1 or any(f"prototype_relearning_{shots}" not in self.labels for shots in self.shots):
            raise EvidenceError(
                f"Expected shots among 1, 5 and 10 and a draw, got {self.shots} and {self.draws} draws."
            )

    def missing(self, case: Case) -> str | None:
        """Needs attack and test images of a forgotten class, and attack images of a retained one."""
        return no_attack(case)

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """One rate a shot number, over all test images of forgotten classes, and that of the class that wins most."""
        attack, test, classes = case.features.attack, case.features.test, attackable(case)
        known = sorted(set(attack.labels.tolist()).intersection(case.retain))
        rivals = torch.stack([attack.only([label]).embedding.mean(0) for label in known])
        fewest = min(int(attack.among([label]).sum()) for label in classes)
        generator = torch.Generator().manual_seed(case.seed)
        readings = []
        for shots in (number for number in self.shots if number <= fewest):
            wins = []
            for label in classes:
                images = attack.only([label]).embedding
                drawn = torch.stack(
                    [torch.randperm(len(images), generator=generator)[:shots] for _ in range(self.draws)]
                )
                wins.append(prototype_wins(test.only([label]).embedding, images[drawn].mean(1), rivals))
            won = torch.cat(wins)
            readings.append(rate_reading(f"prototype_relearning_{shots}", float(won.mean()), len(won)))
            if len(wins) > 1:
                rate, n = max(((float(one.mean()), len(one)) for one in wins), key=lambda one: (one[0], -one[1]))
                readings.append(rate_reading(f"prototype_relearning_{shots}_worst", rate, n))
        return tuple(readings)

    def by_class(self, lineup: Lineup) -> Mapping[str, Float[Tensor, " candidates"]]:
        """Share of each candidate's images, in percent, on which it beats the rows of the retained classes by itself.

        Every candidate is made from the images at the same places among its own, so that none has luckier draws.
        """
        attack, test = lineup.view.attack, lineup.view.test
        known = sorted(set(attack.labels.tolist()).intersection(lineup.retain))
        rivals = torch.stack([attack.only([label]).embedding.mean(0) for label in known])
        fewest = min(int(attack.among([label]).sum()) for label in lineup.candidates)
        found = {}
        for shots in (number for number in self.shots if number <= fewest):
            generator = torch.Generator().manual_seed(lineup.seed)
            drawn = torch.stack([torch.randperm(fewest, generator=generator)[:shots] for _ in range(self.draws)])
            won = [
                prototype_wins(test.only([c]).embedding, attack.only([c]).embedding[drawn].mean(1), rivals).mean()
                for c in lineup.candidates
            ]
            found[f"prototype_relearning_{shots}"] = 100 * torch.stack(won)
        return found


def prototype_wins(
    features: Float[Tensor, "n d"], candidates: Float[Tensor, "m d"], rivals: Float[Tensor, "r d"]
) -> Float[Tensor, " n"]:
    """For each image the share of candidate rows that beat every rival row, in float64.

    With o the mean of the rivals, row w beats the others on feature z where cos(z - o, w - o) is above
    cos(z - o, v - o) for every rival v. A tie is lost; where a difference is zero, its cosine is 0.

    Args:
        features: Features of the images.
        candidates: Rows for one class, each tried by itself.
        rivals: One row for each other class, at least one.
    """
    origin = rivals.double().mean(0)
    z, w, v = (functional.normalize(rows.double() - origin, dim=1) for rows in (features, candidates, rivals))
    # Cosines of the same vectors differ in the last digits, which must decide nothing.
    beaten = z @ w.T > (z @ v.T).amax(1, keepdim=True) + 1e-9
    return beaten.double().mean(1)
