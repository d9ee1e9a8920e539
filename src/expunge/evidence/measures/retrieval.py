"""Face retrieval: search and verification of forgotten identities on embeddings alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from expunge.evidence.measures._readings import attackable, no_attack, rate_reading
from expunge.evidence.protocol import Case, Reading
from expunge.evidence.strangers.lineup import Lineup, Side

_TIE = 1e-6
"""Cosines closer than this are the same: rounding must not decide who is found."""


@dataclass(frozen=True)
class Retrieval:
    """Queries of forgotten classes (test images) against a gallery of all classes (attack images), by cosine.

    Rank-1 and 5-NN say how often a query finds its class; TAR at FAR says how often a query and a gallery image of its
    class are taken for the same at a threshold that lets 1 % or 0.1 % of the pairs with other classes pass.
    """

    name: ClassVar[str] = "retrieval"
    summary: ClassVar[str] = "whether a gallery search still finds forgotten identities: rank-1, 5-NN, TAR at FAR"
    source: ClassVar[str] = "Zakharov, arXiv 2512.13317"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "rank1": "rank-1",
        "knn_5": "5-NN",
        "tar_at_far_1": "TAR at FAR 1 %",
        "tar_at_far_01": "TAR at FAR 0.1 %",
    }
    known_side: ClassVar[Mapping[str, Side]] = {"rank1": "above", "knn_5": "above"}

    def missing(self, case: Case) -> str | None:
        """Needs attack and test images of a forgotten class, and attack images of a retained one."""
        return no_attack(case)

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Four rates; n is the number of queries in each, as the pairs of one query are not independent."""
        queries, gallery = case.view.test.only(attackable(case)), case.view.attack
        scores = cosines(queries.embedding, gallery.embedding)
        same = queries.labels[:, None] == gallery.labels
        rates = {
            "rank1": float(nearest_agree(scores, queries.labels, gallery.labels, 1).double().mean()),
            "knn_5": float(nearest_agree(scores, queries.labels, gallery.labels, 5).double().mean()),
            "tar_at_far_1": tar_at_far(scores, same, 0.01),
            "tar_at_far_01": tar_at_far(scores, same, 0.001),
        }
        return tuple(rate_reading(key, rate, len(queries)) for key, rate in rates.items())

    def by_class(self, lineup: Lineup) -> Mapping[str, Float[Tensor, " candidates"]]:
        """Hit rates of each candidate, in percent, in one gallery of retained classes and candidates together."""
        queries = lineup.view.test.only(lineup.candidates)
        gallery = lineup.view.attack.only({*lineup.retain, *lineup.candidates})
        scores, found = cosines(queries.embedding, gallery.embedding), {}
        for key, k in (("rank1", 1), ("knn_5", 5)):
            right = nearest_agree(scores, queries.labels, gallery.labels, k).double()
            found[key] = 100 * torch.stack([right[queries.labels == one].mean() for one in lineup.candidates])
        return found


def cosines(queries: Float[Tensor, "n d"], gallery: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Cosine of each query with each gallery image, in float64; 0 with an embedding of zeros."""
    return functional.normalize(queries.double(), dim=1) @ functional.normalize(gallery.double(), dim=1).T


def nearest_agree(
    scores: Float[Tensor, "n m"], labels: Int[Tensor, " n"], gallery: Int[Tensor, " m"], k: int
) -> Bool[Tensor, " n"]:
    """Whether the vote of each query's `k` nearest gallery images is for its own class.

    The class with the most votes wins; among classes with as many votes, the one whose votes are nearer in sum. A tie
    between gallery images, or in the end between classes, goes against the query's own class.

    Args:
        scores: Similarity of each query and gallery image, from -1 to 1.
        labels: Class of each query.
        gallery: Class of each gallery image.
        k: How many vote; all of them if the gallery is smaller.
    """
    handicapped = scores - _TIE * (labels[:, None] == gallery)
    top = handicapped.topk(min(k, scores.shape[1]), dim=1)
    n_classes = int(max(labels.max(), gallery.max())) + 1
    # Sums of cosines are below k, so scaled by 1 / (4 k) they decide between equal counts only.
    votes = scores.new_zeros(len(scores), n_classes).scatter_add(1, gallery[top.indices], 1 + top.values / (4 * k))
    own = votes.gather(1, labels[:, None]).squeeze(1)
    return own > votes.scatter(1, labels[:, None], float("-inf")).amax(1)


def tar_at_far(scores: Float[Tensor, "n m"], same: Bool[Tensor, "n m"], far: float) -> float:
    """True accept rate at a false accept rate: how many genuine pairs score above `threshold`.

    Genuine pairs count only above it by more than rounding.

    Args:
        scores: Similarity of each query and gallery image.
        same: Which pairs are genuine; the others are impostors.
        far: Share of impostor pairs that may pass.

    Returns:
        The rate from 0 to 1; 0 without genuine or without impostor pairs.
    """
    genuine, impostors = scores[same], scores[~same]
    if not len(genuine) or not len(impostors):
        return 0.0
    return float(accepted(genuine, threshold(impostors, far)).double().mean())


def threshold(impostors: Float[Tensor, " pairs"], far: float) -> float:
    """The lowest score that no more than `far` of the impostor pairs exceed, of which there is at least one.

    With fewer than 1 / `far` impostor pairs none may pass, which is stricter than asked.
    """
    return float(impostors.kthvalue(len(impostors) - floor(far * len(impostors))).values)


def accepted(scores: Float[Tensor, "*pairs"], least: float) -> Bool[Tensor, "*pairs"]:
    """Mask of pairs that score above a threshold, by more than rounding."""
    return scores > least + _TIE
