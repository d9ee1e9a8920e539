"""Centred kernel alignment per layer: similarity of an edit's features to the original's and to the oracle's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from expunge.errors import EvidenceError
from expunge.evidence.measures._settings import Settings
from expunge.evidence.protocol import Aim, Case, Reading
from expunge.intervals import ends, percentiles, resample_counts
from expunge.tasks import Observed, View

_PAIRS = tuple((reference, side) for reference in ("original", "oracle") for side in ("forget", "retain"))
_AIMS: Mapping[str, Aim] = {"original_forget": "oracle", "original_retain": "context"}
_MOST_LAYERS = 96
"""Rows have labels up to this many blocks; deeper ones are in the mean only."""


@dataclass(frozen=True)
class CKA(Settings):
    """Linear CKA of every block's mean token with the original's and the oracle's, on forgotten and retained classes.

    The row without a layer is the mean over layers. A side with fewer than four test images has no row, and there are
    no rows of the oracle where there is none. An oracle's own rows say how far from the original a model may be.

    Attributes:
        images: Test images a side at the most, drawn by the case's seed; the Gram matrices have this many rows.
        draws: Bootstrap draws over images, the same for all layers.
    """

    images: Annotated[int, Field(ge=4)] = 256
    draws: PositiveInt = 100

    name: ClassVar[str] = "cka"
    summary: ClassVar[str] = "similarity of each layer's features to the original's and the oracle's"
    source: ClassVar[str] = "Kornblith et al., arXiv 1905.00414; for unlearning: arXiv 2503.06991"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        **{f"cka_{reference}_{side}": f"CKA to {reference}, {side}" for reference, side in _PAIRS},
        **{
            f"cka_{reference}_{side}_layer_{layer}": f"CKA to {reference}, {side}, block {layer}"
            for reference, side in _PAIRS
            for layer in range(_MOST_LAYERS)
        },
    }

    def missing(self, case: Case) -> str | None:
        """Needs the same layers of the same test images from all models, and four images of a side."""
        views = [view for view in (case.view, case.original, case.oracle) if view is not None]
        if not case.view.test.layers or len({len(view.test.layers) for view in views}) > 1:
            return "needs views with the same number of layers"
        if any(not torch.equal(view.test.labels, case.view.test.labels) for view in views):
            return "needs views of the same test images"
        if not all(layer.isfinite().all() for view in views for layer in view.test.layers):
            return "needs features that are finite"
        enough = any(int(case.view.test.among(side).sum()) >= 4 for side in (case.forgotten, case.retain))
        return None if enough else "needs four test images of forgotten or of retained classes"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Mean and layer rows with bootstrap intervals."""
        return tuple(reading for reference, side in _PAIRS for reading in self._rows(case, reference, side))

    def _rows(self, case: Case, reference: str, side: str) -> Iterator[Reading]:
        other: View | None = case.original if reference == "original" else case.oracle
        rows = case.view.test.among(case.forgotten if side == "forget" else case.retain).nonzero().squeeze(1)
        if other is None or len(rows) < 4:
            return
        generator = torch.Generator().manual_seed(case.seed)
        rows = rows[torch.randperm(len(rows), generator=generator)[: self.images]]
        counts = resample_counts(len(rows), seed=case.seed, draws=self.draws)
        values = _per_layer(case.view.test, other.test, rows, torch.cat([torch.ones_like(counts[:1]), counts]))
        key, n = f"cka_{reference}_{side}", len(rows)
        yield _reading(key, values.mean(0), n, _AIMS.get(f"{reference}_{side}", "high"))
        first = max(0, len(case.model.blocks) - len(values))  # a view may begin above the lowest block
        for layer, value in enumerate(values[: _MOST_LAYERS - first], start=first):
            yield _reading(f"{key}_layer_{layer}", value, n, "context")


def linear_cka(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n e"], counts: Float[Tensor, "b n"] | None = None
) -> Float[Tensor, " b"]:
    """Centred kernel alignment of two sets of features of the same images, linear kernel, unbiased HSIC.

    CKA = HSIC(K, L) / √(HSIC(K, K) · HSIC(L, L)) with K = X Xᵀ, L = Y Yᵀ and Song et al.'s unbiased estimator

        HSIC(K, L) = [tr(K̃ L̃) + 1ᵀK̃1 · 1ᵀL̃1 / ((n - 1)(n - 2)) - 2/(n - 2) · 1ᵀK̃ L̃1] / (n (n - 3)),

    where K̃ is K with a diagonal of zeros. 1 for features that a rotation, a shift and one scale make the same; about 0
    for unrelated ones, where it may fall below 0; an estimate past 1 is cut to 1. Features without any structure
    (constant, or as good as) have no similarity: 0. With `counts` image i is there counts[i] times, and never paired
    with itself.

    Source: Kornblith et al., arXiv 1905.00414, section 3; Song et al., JMLR 13 (2012), 1393-1434, theorem 3;
    Nguyen et al., arXiv 2010.15327, equation 3.

    Args:
        x: Features under one model; n of at least 4.
        y: Features under the other.
        counts: For each of b draws how often each image was drawn, each row adding up to n; by default once, b = 1.

    Raises:
        EvidenceError: There are fewer than four images.
    """
    if len(x) < 4:
        raise EvidenceError(f"Expected at least four images for the unbiased CKA, got {len(x)}. Add images.")
    counts = torch.ones(1, len(x), dtype=torch.float64) if counts is None else counts.double()
    K, L = _gram(x), _gram(y)
    both, first, second = (_hsic(a, b, counts) for a, b in ((K, L), (K, K), (L, L)))
    defined = (first > 0) & (second > 0)
    return torch.where(defined, both / torch.where(defined, first * second, 1.0).sqrt(), 0.0).clamp(-1.0, 1.0)


def _per_layer(ours: Observed, theirs: Observed, rows: Tensor, counts: Tensor) -> Tensor:
    """CKA of each layer (first dimension) for each row of `counts`."""
    pairs = zip(ours.layers, theirs.layers, strict=True)
    return torch.stack([linear_cka(x[rows], y[rows], counts) for x, y in pairs])


def _gram(features: Tensor) -> Tensor:
    """Gram matrix of centred features without its diagonal, scaled to a largest entry of about 1."""
    wide = features.double()
    centred = wide - wide.mean(0)
    largest = centred.abs().amax()
    if largest <= 1e-6 * wide.abs().amax():  # what is left is rounding
        return wide.new_zeros(len(wide), len(wide))
    gram = (centred / largest) @ (centred / largest).T
    return gram.fill_diagonal_(0.0)


def _hsic(K: Tensor, L: Tensor, counts: Tensor) -> Tensor:
    n = K.shape[0]
    rows_k, rows_l = counts @ K, counts @ L
    product = (counts @ (K * L) * counts).sum(1)
    totals = (rows_k * counts).sum(1) * (rows_l * counts).sum(1)
    cross = (rows_k * rows_l * counts).sum(1)
    return (product + totals / ((n - 1) * (n - 2)) - 2 * cross / (n - 2)) / (n * (n - 3))


def _reading(key: str, values: Tensor, n: int, aim: Aim) -> Reading:
    """The first value is that of the images themselves, the others are those of draws."""
    around = percentiles(values[1:])
    return Reading(key, float(values[0]), "1", n, *ends(around, n), aim)
