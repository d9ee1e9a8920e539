"""Relative similarity test: which of two samples a third is nearer to, where the independent draws are classes.

After W. Bounliphone et al., "A test of relative similarity for model selection in generative models", ICLR 2016, arXiv
1511.04581. The kernel is -|x - y|, whose MMD is the energy distance (D. Sejdinovic et al., Annals of Statistics 41
(2013), 2263-2291): it has no width to be chosen and grows with the distance, where a Gaussian calls all that is far off
equally far, so that nobody could say which is nearer.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import EvidenceError
from expunge.evidence.strangers._energy import between, between_without, class_distances, standardised, student

Nearer = Literal["innocent", "original", "undecided"]


@dataclass(frozen=True, slots=True)
class Relative:
    """The nearer of two samples to a third one, and how sure that is.

    Attributes:
        statistic: How much nearer the innocent is than the original, in squared energy distances of standardised
            profiles; above 0 on the innocent side.
        p_innocent: Small if chance is no excuse for standing so far on the innocent side.
        p_original: Small if chance is no excuse for standing so far on the original side.
        nearer: The side whose p-value, alone of the two, is at most the level.
        classes: Forgotten classes that were looked at.
        against: Classes of the innocent sample.
        rule: "jackknife" over classes, or "permutation" of classes where they are too few for it.
        to_innocent: The distance to the innocent by itself, without bias, so that it can be below 0. Who is far from
            both has left a hole, whichever is nearer. None under "permutation".
        to_original: The distance to the original, likewise.
    """

    statistic: float
    p_innocent: float
    p_original: float
    nearer: Nearer
    classes: int
    against: int
    rule: Literal["jackknife", "permutation"]
    to_innocent: float | None = None
    to_original: float | None = None


def relative_test(
    edited: Float[Tensor, "f n p"],
    innocent: Float[Tensor, "k m p"],
    original: Float[Tensor, "f n p"],
    *,
    paired: bool = False,
    level: float = 0.05,
) -> Relative:
    """The relative test by a jackknife over classes, for three classes a side or more.

    The statistic is D²(edited, original) - D²(edited, innocent), where D² is the energy distance of two mixtures of
    classes and both are U-statistics over classes: no class is compared with itself, under any model. Its variance is
    that of leaving each class out in turn, with all its images under all models; the p-values are those of Student's t
    with Welch's degrees of freedom. The hypothesis is that both are equally far, and the p-values sum to 1.

    Args:
        edited: Profiles of the forgotten classes under the edited model.
        innocent: Those of classes that it never saw; if `paired`, of the forgotten classes under an oracle.
        original: Those of the forgotten classes under the original model, in the order of `edited`.
        paired: Whether `innocent` has the classes of `edited`, in the same order.
        level: What a p-value has to reach.

    Raises:
        EvidenceError: There are fewer than three classes on a side, or as many are not there in spite of `paired`.
    """
    f, k = len(edited), len(innocent)
    if min(f, k) < 3 or (paired and f != k):
        raise EvidenceError(f"Expected three classes a side, as many if paired, got {f} and {k}. Try relative_rank.")
    edited, innocent, original = standardised((edited, innocent, original), (innocent, original))
    ee, eo, oo = (class_distances(*pair) for pair in ((edited, edited), (edited, original), (original, original)))
    ei, ii = class_distances(edited, innocent), class_distances(innocent, innocent)

    to_original = 2 * between(eo) - between(ee) - between(oo)
    to_innocent = 2 * (between(ei) if paired else ei.mean()) - between(ee) - between(ii)
    statistic, left = float(to_original - to_innocent), 2 * between_without(eo) - between_without(oo)
    if paired:
        changes = [left - 2 * between_without(ei) + between_without(ii)]
    else:
        fewer, fewer_strangers = (ei.sum() - ei.sum(1)) / (f - 1) / k, (ei.sum() - ei.sum(0)) / (k - 1) / f
        changes = [left - 2 * fewer + between(ii), between_without(ii) - 2 * fewer_strangers]
    variances = [float((len(one) - 1) * one.var(correction=0)) for one in changes]
    variance = sum(variances)
    below = 0.5
    if variance > 0:
        freedom = variance**2 / sum(v**2 / (len(one) - 1) for v, one in zip(variances, changes, strict=True))
        below = student(statistic / sqrt(variance), int(freedom + 1e-9))
    nearer = _nearer(1 - below, below, level)
    return Relative(statistic, 1 - below, below, nearer, f, k, "jackknife", float(to_innocent), float(to_original))


def relative_rank(
    edited: Float[Tensor, "f n p"],
    innocent: Float[Tensor, "k n p"],
    known: Float[Tensor, "r n p"],
    *,
    level: float = 0.05,
) -> Relative:
    """The same question of one or two forgotten classes, by how they stand in line; exact for any number of images.

    Every class x of a pool gets D²(x, other sample) - D²(x, rest of the pool): nothing in it says who was forgotten. In
    the pool of forgotten classes and strangers, a low place among all choices of as many classes says *nearer to the
    original*: `p_original`. In the pool of forgotten classes and those that the original knows, a low place says
    *nearer to the innocent*: `p_innocent`. The original sample is of other classes that it knows, for a class
    resembles itself under any model, and no stranger could compete with that.

    Args:
        edited: Profiles of the forgotten classes under the edited model.
        innocent: Those of strangers under the edited model.
        known: Those of retained classes under the original model, each as if it were to be forgotten.
        level: What a p-value has to reach.

    Raises:
        EvidenceError: There are not one or two forgotten classes, or fewer than two of another kind.
    """
    f, k = len(edited), len(innocent)
    if f not in (1, 2) or min(k, len(known)) < 2:
        got = f"{f}, {k} and {len(known)}"
        raise EvidenceError(f"Expected one or two forgotten classes, two strangers, two known ones, got {got}.")
    everything = (edited, innocent, known)
    edited, innocent, known = standardised(everything, everything)
    statistic, p_original = _place(torch.cat([edited, innocent]), known, f)
    p_innocent = _place(torch.cat([edited, known]), innocent, f)[1]
    return Relative(statistic, p_innocent, p_original, _nearer(p_innocent, p_original, level), f, k, "permutation")


def _place(pool: Float[Tensor, "q n p"], other: Float[Tensor, "r n p"], first: int) -> tuple[float, float]:
    """The mean score of the first classes of a pool, and the share of all choices of as many that have none higher."""
    inside, outside = class_distances(pool, pool), class_distances(pool, other)
    own = 2 * (inside.sum(1) - inside.diagonal()) / (len(pool) - 1) - between_without(inside)
    scores = 2 * outside.mean(1) - between(class_distances(other, other)) - own
    means = torch.combinations(scores, first).mean(1)
    return float(means[0]), float((means <= means[0] + 1e-12).double().mean())


def _nearer(p_innocent: float, p_original: float, level: float) -> Nearer:
    if (p_innocent <= level) == (p_original <= level):
        return "undecided"
    return "innocent" if p_innocent <= level else "original"
