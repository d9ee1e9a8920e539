"""U-LiRA, membership inference on single training images of the forgotten classes, with shadow models."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.evidence.measures._attacks import attack_readings, auc
from expunge.evidence.measures._probabilities import log_probabilities
from expunge.evidence.protocol import Case, Reading
from expunge.tasks import Observed

LEAST = 4
"""Shadow models needed on each side."""

_LIMIT = 30.0  # e**30 to one; struck classes stand there instead of at 10,000


@dataclass(frozen=True)
class ULiRA:
    """U-LiRA: per image the likelihood ratio of "learnt, then forgotten" against "never learnt".

    The true class's confidence, logit-scaled, is taken for Gaussian over the shadow models of either world. The model
    under test gives the positives; each `never` shadow in turn, left out of the fit, the negatives. As there are few
    shadows, the means are fitted image by image and each world has one variance (Carlini et al., section 6.3).

    A further model that never saw the classes is one more draw of the second world: 50 % on average over such models.
    What a single one reaches is shown by `u_lira_innocent_auc`: the highest area of a `never` shadow that is attacked
    like the model under test. The rows have no interval: images of one model stand and fall together, so only more
    models, the seeds of a benchmark, say how sure an area is.

    A class that a method strikes from the head's answers is at one place in the model and in its shadows: 100 %,
    whatever else was forgotten.
    """

    name: ClassVar[str] = "u-lira"
    summary: ClassVar[str] = "likelihood-ratio attack per image with shadow models"
    source: ClassVar[str] = "Hayes et al., SaTML 2025, arXiv 2403.01218; Carlini et al., arXiv 2112.03570"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "u_lira_auc": "U-LiRA, AUC",
        "u_lira_tpr_at_fpr_1": "U-LiRA, TPR at FPR 1 %",
        "u_lira_innocent_auc": "U-LiRA, AUC of an innocent model",
    }

    def missing(self, case: Case) -> str | None:
        """Needs four shadow models a side, and attack images of a forgotten class."""
        if case.shadows is None:
            return "needs shadow models"
        forgotten, never = len(case.shadows.forgotten), len(case.shadows.never)
        if min(forgotten, never) < LEAST:
            return f"needs {LEAST} shadow models a side; there are {forgotten} and {never}"
        return None if _attacked(case).any() else "needs attack images of a forgotten class"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """AUC and TPR at 1 % FPR over the forgotten classes' attack images, and the AUC that innocence reaches."""
        assert case.shadows is not None  # `missing` has said so
        target = _confidence(case.view.attack, case)
        forgotten = torch.stack([_confidence(shadow, case) for shadow in case.shadows.forgotten])
        never = torch.stack([_confidence(shadow, case) for shadow in case.shadows.never])
        rows = attack_readings("u_lira", *_scores(target, forgotten, never), (len(target), len(target)))
        innocent = max(auc(*_scores(never[k], forgotten, _without(never, k))) for k in range(len(never)))
        own = Reading("u_lira_innocent_auc", 100 * innocent, "%", len(never), aim="context")
        return (*(replace(row, low=None, high=None) for row in rows), own)


def _scores(target: Tensor, forgotten: Tensor, never: Tensor) -> tuple[Tensor, Tensor]:
    """Ratios of the images under `target`, once a `never` shadow that is left out; and those of each one left out."""
    positive, negative = [], []
    for left_out in range(len(never)):
        rest = _without(never, left_out)
        positive.append(likelihood_ratio(target, forgotten, rest))
        negative.append(likelihood_ratio(never[left_out], forgotten, rest))
    return torch.cat(positive), torch.cat(negative)


def _without(shadows: Tensor, left_out: int) -> Tensor:
    return torch.cat([shadows[:left_out], shadows[left_out + 1 :]])


def scaled_confidence(logits: Float[Tensor, "n c"], labels: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """φ = log(p / (1 - p)) of the true class's probability p, within -30 to 30.

    Source: Carlini et al., arXiv 2112.03570, section 4.2; here as log p_y minus the log of all others' sum, which is
    exact where p is near 1.

    Args:
        logits: One row an image, one column a class.
        labels: The true class of each image.
    """
    log_p, own = log_probabilities(logits), labels.long()[:, None]
    rest = log_p.scatter(1, own, -torch.inf).logsumexp(1)
    return (log_p.gather(1, own).squeeze(1) - rest).nan_to_num(0.0).clamp(-_LIMIT, _LIMIT)


def likelihood_ratio(
    observed: Float[Tensor, " n"], forgotten: Float[Tensor, "s n"], never: Float[Tensor, "t n"]
) -> Float[Tensor, " n"]:
    """Log of N(φ; forgotten) / N(φ; never), image by image.

    Args:
        observed: φ under the model under test.
        forgotten: φ under shadow models that learnt the classes and forgot them.
        never: φ under shadow models that never saw them.
    """
    return _log_density(observed, forgotten) - _log_density(observed, never)


def _log_density(observed: Tensor, shadows: Tensor) -> Tensor:
    mean = shadows.mean(0)
    variance = (shadows - mean).square().sum() / (shadows.shape[1] * (len(shadows) - 1))
    variance = variance.clamp_min(1e-4)  # shadows that all agree must not make a ratio infinite
    return -0.5 * (variance.log() + (observed - mean).square() / variance)


def _attacked(case: Case) -> Tensor:
    """Indices of the attack images that are judged, (n,): training images of forgotten classes."""
    among = case.view.attack.among(case.forgotten)
    return among if case.shadows is None or case.shadows.members is None else among & case.shadows.members


def _confidence(images: Observed, case: Case) -> Tensor:
    chosen = images.select(_attacked(case))
    return scaled_confidence(chosen.logits, chosen.labels)
