"""SCRUB-S: SCRUB with smoothed weights, the second SCRUB of the GS-LoRA papers."""

from dataclasses import dataclass
from typing import ClassVar

from expunge.methods.scrub import SCRUB


@dataclass(frozen=True)
class SCRUBS(SCRUB):
    """SCRUB + ρ · Σ ‖θ - θ̄‖₂ in every step, θ̄ a moving average of the weights that starts at the deployed ones.

    The GS-LoRA papers print the rows "SCRUB-S" without a description. The runs behind them are called "smooth" in the
    released scripts and differ from SCRUB in one setting, the smoothing of SCRUB's own code at ρ = 0.05 (0.1 where four
    requests follow each other); we take the S for that. θ̄ moves a tenth of the way towards θ after each tenth of the
    training; there its first move, after the first tenth, goes all the way.
    """

    smoothing: float = 0.05

    name: ClassVar[str] = "scrub-s"
    summary: ClassVar[str] = "SCRUB held near a moving average of its weights (smoothing)"
    source: ClassVar[str] = "Zhao et al., CVPR 2024, arXiv 2403.11530, after Kurmanji et al., arXiv 2302.09880"
