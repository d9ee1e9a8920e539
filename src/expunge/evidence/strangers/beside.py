"""One model's forgotten classes beside strangers: every row that can be taken class by class, and what they say."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import EvidenceError
from expunge.evidence.strangers._conformal import Separation, areas, least_p, separation, strangers_needed
from expunge.evidence.strangers._relative import Relative
from expunge.evidence.strangers._three_sample import three_sample
from expunge.evidence.strangers.alike import Alike
from expunge.evidence.strangers.lineup import ByClass, Lineup, Side

On = Literal["answers", "features"]

LEVEL = 0.05
"""Told from strangers is what has a p-value below this. So is a class that the model never saw, in that share of cases
at the most, on either side."""


@dataclass(frozen=True, eq=False)
class Beside:
    """Comparison of one model's forgotten classes with strangers.

    Attributes:
        keys: Names of the rows.
        sides: For each row the side on which known classes stand.
        values: The rows' values, of the forgotten classes first.
        forgotten: Numbers of the forgotten classes.
        strangers: How many strangers there are.
        images: Attack and test images, or objects, of each class.
        told: The test over all rows, on values turned so that great ones are of known classes; None with too few
            strangers for any answer.
        alike: Whether the strangers look like the classes that stay; None where nobody looked.
        relative: What the three-sample test says on answers and on features: is it nearer to the innocent or to the
            original? Empty where it could not be asked.
    """

    keys: tuple[str, ...]
    sides: tuple[Side, ...]
    values: Float[Tensor, "rows candidates"]
    forgotten: tuple[int, ...]
    strangers: int
    images: tuple[int, int]
    told: Separation | None
    alike: Alike | None = None
    relative: Mapping[On, Relative] = field(default_factory=dict)

    @property
    def needed(self) -> int:
        """The fewest strangers that can say something of so many forgotten classes."""
        return strangers_needed(len(self.forgotten), LEVEL)

    @property
    def wanted(self) -> str:
        """The same in words, and how many it takes for one class by itself."""
        many, alone = len(self.forgotten), strangers_needed(1, LEVEL)
        return (
            f"{alone} needed for one class" if many == 1 else f"{self.needed} needed for {many}, {alone} for one class"
        )

    @property
    def areas(self) -> Float[Tensor, " rows"]:
        """For each row the chance that a forgotten class looks better known than a stranger."""
        return areas(turned(self.values, self.sides), len(self.forgotten))


def beside(
    lineup: Lineup, measures: Iterable[object], alike: Alike | None = None, original: Lineup | None = None
) -> Beside | None:
    """Takes every row that has a value for each class; None where there is none.

    Args:
        lineup: One model's forgotten classes and the strangers.
        measures: Measures; those that are no `ByClass` are passed over.
        alike: What is known of the strangers' pictures.
        original: The untouched model's lineup of the same images, for the three-sample test.
    """
    found: dict[str, tuple[Side, Tensor]] = {}
    for measure in measures:
        if isinstance(measure, ByClass):
            try:
                values = measure.by_class(lineup)
            except EvidenceError:
                continue  # as a row that cannot be taken is left out of a scorecard
            found |= {key: (measure.known_side[key], one.double()) for key, one in values.items()}
    found = {key: one for key, one in found.items() if one[1].isfinite().all()}
    if not found or not lineup.strangers:
        return None
    sides: tuple[Side, ...] = tuple(side for side, _ in found.values())
    values = torch.stack([one for _, one in found.values()])
    few = least_p(len(lineup.forgotten), len(lineup.strangers)) >= LEVEL
    told = None if few else separation(turned(values, sides), len(lineup.forgotten), seed=lineup.seed)
    attack, test = (int(part.among(lineup.strangers[:1]).sum()) for part in (lineup.view.attack, lineup.view.test))
    relative = _relative(lineup, original) if original else {}
    size = len(lineup.strangers)
    return Beside(tuple(found), sides, values, lineup.forgotten, size, (attack, test), told, alike, relative)


def _relative(lineup: Lineup, original: Lineup) -> Mapping[On, Relative]:
    """Results of the three-sample test, as far as it can be taken."""
    found: dict[On, Relative] = {}
    for on in get_args(On):
        with suppress(EvidenceError):  # too few classes, or images of a class
            found[on] = three_sample(lineup, original, on=on)
    return found


def turned(values: Float[Tensor, "rows candidates"], sides: Sequence[Side]) -> Float[Tensor, "rows candidates"]:
    """The values, turned where needed so that great ones are of classes that the model knows."""
    signs = torch.tensor([1.0 if side == "above" else -1.0 for side in sides], dtype=values.dtype)
    return values * signs[:, None]
