"""Membership inference by confidence: do the answers tell training images of the forgotten classes from new ones?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.evidence.measures._attacks import attack_readings, auc, auc_interval
from expunge.evidence.measures._probabilities import log_probabilities
from expunge.evidence.protocol import Case, Reading

_TINY = 1e-30


@dataclass(frozen=True)
class ConfidenceAttack:
    """A threshold on confidence, entropy and modified entropy: members are the forgotten classes' attack images.

    The areas need no threshold; a threshold would have to come from shadow models. A model that never saw the classes
    cannot tell the two sets apart: 50 %. So cannot one that never saw these very attack images, or that answers them no
    more surely than new ones, as models that do not overfit: look at the original's row before a low area is praised.
    The benchmark's attack images hold some of validation, which are no members: areas lie a little nearer to 50 for it.
    """

    name: ClassVar[str] = "confidence-attack"
    summary: ClassVar[str] = "whether confidence, entropy or modified entropy betray the forgotten training images"
    source: ClassVar[str] = "Song and Mittal, USENIX Security 2021, arXiv 2003.10595"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "mia_confidence_auc": "membership by confidence, AUC",
        "mia_entropy_auc": "membership by entropy, AUC",
        "mia_modified_entropy_auc": "membership by mod. entropy, AUC",
        "mia_modified_entropy_tpr_at_fpr_1": "membership by mod. entropy, TPR at FPR 1 %",
    }

    def missing(self, case: Case) -> str | None:
        """Needs attack and test images of a forgotten class."""
        attack, test = case.view.attack, case.view.test
        if not attack.among(case.forgotten).any() or not test.among(case.forgotten).any():
            return "needs attack and test images of a forgotten class"
        return None

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Three areas, and the hits of the strongest of the three at 1 % false alarms."""
        member, other = case.view.attack.only(case.forgotten), case.view.test.only(case.forgotten)
        inside = membership_scores(member.logits, member.labels)
        outside = membership_scores(other.logits, other.labels)
        plain = []
        for kind in ("confidence", "entropy"):
            area = auc(inside[kind], outside[kind])
            around = auc_interval(area, len(member), len(other))
            plain.append(Reading(f"mia_{kind}_auc", 100 * area, "%", len(member), around.low, around.high))
        kind = "modified_entropy"
        return (*plain, *attack_readings(f"mia_{kind}", inside[kind], outside[kind]))


def membership_scores(logits: Float[Tensor, "n c"], labels: Int[Tensor, " n"]) -> Mapping[str, Float[Tensor, " n"]]:
    """Scores that are higher the more an image looks like one the model was trained on.

    With p the softmax of the logits and y the true class:

    - confidence: p_y;
    - entropy: minus the entropy, Σ p_i log p_i;
    - modified_entropy: minus Mentr(p, y) = -(1 - p_y) log p_y - Σ_{i≠y} p_i log(1 - p_i), in nats.

    The modified entropy is 0 for a sure and right answer, and unbounded for a sure and wrong one, which the plain
    entropy cannot tell apart. Logarithms are taken of 1e-30 at the least.

    Source: Song and Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning Models", arXiv 2003.10595,
    section 3.2.

    Args:
        logits: One row an image, one column a class.
        labels: The true class of each image.
    """
    log_p = log_probabilities(logits)
    p, own = log_p.exp(), labels.long()[:, None]
    log_p = log_p.clamp_min(torch.log(torch.tensor(_TINY, dtype=log_p.dtype)))
    # 1 - p loses everything near 1; the sum of the others does not.
    others = (p.sum(1, keepdim=True) - p).clamp_min(_TINY)
    own_p, own_log_p = p.gather(1, own).squeeze(1), log_p.gather(1, own).squeeze(1)
    wrong = (p * others.log()).scatter(1, own, 0.0).sum(1)
    return {
        "confidence": own_p,
        "entropy": (p * log_p).sum(1),
        "modified_entropy": (1 - own_p) * own_log_p + wrong,
    }
