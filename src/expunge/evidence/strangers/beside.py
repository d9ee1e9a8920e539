"""One model's forgotten classes beside strangers: every row that can be taken class by class, and what they say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import EvidenceError
from expunge.evidence.strangers.alike import Alike
from expunge.evidence.strangers.conformal import Told, areas, least_p, strangers_needed, tell
from expunge.evidence.strangers.lineup import ByClass, Lineup, Side

LEVEL = 0.05
"""In how many cases, at the most, a class that the model never saw is told from strangers all the same, a side."""


@dataclass(frozen=True, eq=False)
class Beside:
    """What one model's forgotten classes look like beside strangers.

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
    """

    keys: tuple[str, ...]
    sides: tuple[Side, ...]
    values: Float[Tensor, "rows candidates"]
    forgotten: tuple[int, ...]
    strangers: int
    images: tuple[int, int]
    told: Told | None
    alike: Alike | None = None

    @property
    def needed(self) -> int:
        """The fewest strangers that can say something of so many forgotten classes."""
        return strangers_needed(len(self.forgotten), LEVEL)

    @property
    def areas(self) -> Float[Tensor, " rows"]:
        """For each row the chance that a forgotten class looks better known than a stranger."""
        return areas(turned(self.values, self.sides), len(self.forgotten))


def beside(lineup: Lineup, measures: Iterable[object], alike: Alike | None = None) -> Beside | None:
    """Takes every row that has a value for each class; None where there is none.

    Args:
        lineup: One model's forgotten classes and the strangers.
        measures: Measures; those that are no `ByClass` are passed over.
        alike: What is known of the strangers' pictures.
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
    sides, values = tuple(side for side, _ in found.values()), torch.stack([one for _, one in found.values()])
    few = least_p(len(lineup.forgotten), len(lineup.strangers)) > LEVEL
    told = None if few else tell(turned(values, sides), len(lineup.forgotten), seed=lineup.seed)
    attack, test = (len(side.only(lineup.strangers[:1])) for side in (lineup.view.attack, lineup.view.test))
    return Beside(tuple(found), sides, values, lineup.forgotten, len(lineup.strangers), (attack, test), told, alike)


def turned(values: Float[Tensor, "rows candidates"], sides: Sequence[Side]) -> Float[Tensor, "rows candidates"]:
    """The values, turned where needed so that great ones are of classes that the model knows."""
    signs = torch.tensor([1.0 if side == "above" else -1.0 for side in sides], dtype=values.dtype)
    return values * signs[:, None]
