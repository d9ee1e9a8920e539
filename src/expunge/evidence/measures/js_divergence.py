"""Jensen-Shannon divergence of the model's answers from those of an oracle, on forgotten and retained images."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from expunge.evidence.measures._probabilities import log_probabilities
from expunge.evidence.protocol import Case, Reading
from expunge.intervals import bootstrap_mean, ends

_LN_2 = 0.6931471805599453


@dataclass(frozen=True)
class JSDivergence:
    """Mean Jensen-Shannon divergence to the oracle's answers, on test images of forgotten and of retained classes."""

    name: ClassVar[str] = "js-divergence"
    summary: ClassVar[str] = "distance of the answers to those of the oracle, on forgotten and retained classes"
    source: ClassVar[str] = "Lin, IEEE Trans. Inf. Theory 37 (1991); used so in arXiv 2205.08096"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "js_forget": "JS to oracle, forgotten",
        "js_retain": "JS to oracle, retained",
    }

    def missing(self, case: Case) -> str | None:
        """Needs an oracle, and test images."""
        if case.oracle is None:
            return "needs an oracle"
        return None if case.view.test.among({*case.forgotten, *case.retain}).any() else "needs test images"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Two means with bootstrap intervals; 0 is the oracle itself. A side without test images has no row."""
        rows: tuple[tuple[str, Collection[int]], ...] = (("js_forget", case.forgotten), ("js_retain", case.retain))
        return tuple(_reading(case, key, classes) for key, classes in rows if case.view.test.among(classes).any())


def js_divergence(first: Float[Tensor, "n c"], second: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
    """Jensen-Shannon divergence of the softmax of two sets of logits, image by image, in bits: from 0 to 1.

    JS(p, q) = KL(p ‖ m) / 2 + KL(q ‖ m) / 2 with m = (p + q) / 2.

    Source: J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37 (1991).

    Args:
        first: Logits of one model.
        second: Logits of another one on the same images.
    """
    log_p, log_q = log_probabilities(first), log_probabilities(second)
    p, q = log_p.exp(), log_q.exp()
    # Where m underflows both p and q are 0, and 0 log 0 is 0.
    log_m = ((p + q) / 2).clamp_min(1e-300).log()
    kl = p * (log_p.clamp_min(-690.0) - log_m) + q * (log_q.clamp_min(-690.0) - log_m)
    return (kl.sum(1) / (2 * _LN_2)).clamp(0.0, 1.0)


def _reading(case: Case, key: str, classes: Collection[int]) -> Reading:
    assert case.oracle is not None  # `missing` has said so
    ours, theirs = case.view.test.only(classes), case.oracle.test.only(classes)
    values = js_divergence(ours.logits, theirs.logits)
    around = bootstrap_mean(values, seed=case.seed)
    return Reading(key, float(values.mean()), "bits", len(values), *ends(around, len(values)), "low")
