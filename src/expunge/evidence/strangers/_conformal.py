"""Conformal test that some classes differ from strangers: exact p-values, from exchangeability alone.

If a model knows no more of the forgotten classes than of the strangers, and classes are draws from one kind, then every
choice of F of the F + K candidates was as likely to be the forgotten ones. Nothing else is assumed: neither how values
are distributed, nor how the rows of a scorecard depend on each other.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from expunge.errors import EvidenceError

DRAWS = 2_000
"""Choices that are tried, the one at hand among them; all there are if they are fewer."""


def least_p(forgotten: int, strangers: int) -> float:
    """The least p-value that so many classes allow: one over the number of choices."""
    return 1 / comb(forgotten + strangers, forgotten)


def strangers_needed(forgotten: int, level: float) -> int:
    """The fewest strangers with which a p-value below `level` can be reached at all."""
    needed = 1
    while least_p(forgotten, needed) >= level:
        needed += 1
    return needed


def areas(values: Float[Tensor, "rows candidates"], forgotten: int) -> Float[Tensor, " rows"]:
    """For each row the chance that a forgotten class stands above a stranger, a tie counting half.

    Args:
        values: The first `forgotten` columns are those of forgotten classes.
        forgotten: F.
    """
    above, other = values[:, :forgotten, None], values[:, None, forgotten:]
    return ((above > other).double() + (above == other).double() / 2).mean((1, 2))


@dataclass(frozen=True)
class Separation:
    """Result of the test over all rows together, and for each row.

    Attributes:
        known: p-value against "no better known than strangers".
        hole: p-value against "no less known than strangers".
        row_known: For each row the p-value of that row alone.
        row_hole: The same on the other side.
    """

    known: float
    hole: float
    row_known: tuple[float, ...]
    row_hole: tuple[float, ...]


def separation(values: Float[Tensor, "rows candidates"], forgotten: int, *, seed: int = 0) -> Separation:
    """Tests on either side whether the forgotten classes can be told from the strangers, over all rows together.

    Every row is standardised over all candidates, and their sum, standardised again, is one row more. The statistic is
    the greatest mean of the forgotten classes in any of these rows, held against its own under all choices of F
    candidates. So the answer is exact in finite samples under any dependence between rows, and drawing choices instead
    of trying all keeps it valid.

    One class that is known among many innocent ones is not found by this, nor by anything else that rests on
    exchangeability alone: if one candidate of F + K stands out, it is one of the F with a chance of F / (F + K). Look
    at the worst class's own rows, or bring F times as many strangers and ask for each class by itself.

    Of one class and one row this is the conformal p-value (1 + #{strangers ≥ value}) / (K + 1) of Vovk, Gammerman and
    Shafer, "Algorithmic Learning in a Random World" (2005), section 2.

    Source: Westfall and Young, "Resampling-Based Multiple Testing" (1993), the max T procedure; for drawn choices
    Phipson and Smyth, arXiv 1603.05766.

    Args:
        values: The greater, the better the class is known. The first `forgotten` columns are the forgotten classes.
        forgotten: F, at least 1; there is at least one stranger.
        seed: Seeds which choices are drawn, where there are too many to try them all.

    Raises:
        EvidenceError: There is no row, no forgotten class or no stranger, or a value is not finite.
    """
    rows, candidates = values.shape
    if not rows or not 0 < forgotten < candidates:
        raise EvidenceError(
            f"Expected rows, forgotten classes and strangers, got {rows} rows, {forgotten} of {candidates} classes."
        )
    if not values.isfinite().all():
        raise EvidenceError("Expected values that are finite, to compare them. Leave the row out.")
    chosen = _choices(candidates, forgotten, seed)
    scores = _standard(values.double())
    scores = torch.cat([scores, _standard(scores.sum(0, keepdim=True))])
    sides = [_upper(one, chosen) for one in (scores, -scores)]
    (known, row_known), (hole, row_hole) = ((together, alone[:rows]) for together, alone in sides)
    return Separation(known, hole, row_known, row_hole)


def _standard(values: Float[Tensor, "rows candidates"]) -> Float[Tensor, "rows candidates"]:
    """Each row with mean 0 and deviation 1 over all candidates; a row that says nothing is 0."""
    centred = values - values.mean(1, keepdim=True)
    spread = centred.square().mean(1, keepdim=True).sqrt()
    return torch.where(spread > 1e-9 * values.abs().amax(1, keepdim=True), centred / spread, 0.0)


def _choices(candidates: int, forgotten: int, seed: int) -> Bool[Tensor, "choices candidates"]:
    """Choices of `forgotten` candidates, the first being the one at hand."""
    if comb(candidates, forgotten) <= DRAWS:
        rows = torch.tensor(list(combinations(range(candidates), forgotten)))
    else:
        noise = torch.rand(DRAWS, candidates, generator=torch.Generator().manual_seed(seed))
        rows = noise.topk(forgotten, dim=1).indices
        rows[0] = torch.arange(forgotten)
    return torch.zeros(len(rows), candidates, dtype=torch.bool).scatter(1, rows, True)


def _upper(
    scores: Float[Tensor, "rows candidates"], chosen: Bool[Tensor, "choices candidates"]
) -> tuple[float, tuple[float, ...]]:
    """p-values of the first choice for great scores: over all rows, and of each row alone."""
    means = chosen.double() @ scores.T / chosen[0].sum()
    return float(_tail(means.amax(1, keepdim=True))[0]), tuple(_tail(means).tolist())


def _tail(statistics: Float[Tensor, "choices columns"]) -> Float[Tensor, " columns"]:
    """For each column the share of entries that are at least as great as the first."""
    rounding = 1e-9  # equal sums differ in the last bits
    return (statistics >= statistics[0] - rounding).double().mean(0)
