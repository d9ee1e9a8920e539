"""Linear probe: a fresh linear head on the frozen features; head-only forgetting stays near the original here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from expunge.errors import EvidenceError
from expunge.evidence.measures._readings import attackable, no_attack, rate_reading
from expunge.evidence.protocol import EVERY_TASK, Aim, Case, Reading
from expunge.evidence.strangers.lineup import Lineup, Side
from expunge.tasks.classification import accuracy_of, worst
from expunge.values import Rate


@dataclass(frozen=True)
class LinearProbe:
    """Refits a multinomial logistic head on the attack images' embeddings, all classes, and counts it on test images.

    Attributes:
        decay: Strength of the L2 penalty; see `fit_probe`.
    """

    decay: float = 1e-3

    name: ClassVar[str] = "linear-probe"
    summary: ClassVar[str] = "accuracy on forgotten classes of a fresh linear head on frozen features"
    source: ClassVar[str] = "arXiv 2604.08271; Alain and Bengio, arXiv 1610.01644"
    slow: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = EVERY_TASK
    labels: ClassVar[Mapping[str, str]] = {
        "linear_probe": "linear probe",
        "linear_probe_worst": "linear probe, worst class",
        "linear_probe_retained": "linear probe, retained",
    }
    known_side: ClassVar[Mapping[str, Side]] = {"linear_probe": "above"}

    def missing(self, case: Case) -> str | None:
        """Needs attack and test images of a forgotten class, and attack images of a retained one."""
        return no_attack(case)

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Accuracy on the forgotten classes that have attack images, and on the retained ones that have.

        Where several are forgotten, the one that is read best has a row of its own: a rate over many would hide it.
        """
        attack, test = case.features.attack, case.features.test
        probe = fit_probe(attack.embedding, attack.labels, attack.logits.shape[1], decay=self.decay)
        logits = probe(test.embedding).float()  # rounded, so that what only rounding tells apart is a tie
        known = set(attack.labels.tolist()).intersection(case.retain)
        forgotten = attackable(case)
        rows: tuple[tuple[str, Rate | None, Aim], ...] = (
            ("linear_probe", accuracy_of(logits, test.labels, forgotten), "oracle"),
            ("linear_probe_worst", worst(accuracy_of(logits, test.labels, [one]) for one in forgotten), "oracle"),
            ("linear_probe_retained", accuracy_of(logits, test.labels, known), "high"),
        )
        return tuple(rate_reading(key, rate.hits / rate.n, rate.n, aim) for key, rate, aim in rows if rate and rate.n)

    def by_class(self, lineup: Lineup) -> Mapping[str, Float[Tensor, " candidates"]]:
        """Accuracy on each candidate in percent, of one head fitted on retained classes and candidates together."""
        attack = lineup.view.attack.only({*lineup.retain, *lineup.candidates})
        probe = fit_probe(attack.embedding, attack.labels, int(attack.labels.max()) + 1, decay=self.decay)
        test = lineup.view.test
        logits, labels = probe(test.embedding[(chosen := test.among(lineup.candidates))]).float(), test.labels[chosen]
        rates = [accuracy_of(logits, labels, [one]).percent for one in lineup.candidates]
        return {"linear_probe": torch.tensor(rates, dtype=torch.float64)}


@dataclass(frozen=True, eq=False)
class Probe:
    """A fitted linear head on standardised features.

    Attributes:
        mean: Mean of each feature over the images it was fitted on.
        spread: Their standard deviation; 1 where a feature never varies.
        weight: One row a class.
        bias: One number a class; minus infinity for a class that had no image.
    """

    mean: Float[Tensor, " d"]
    spread: Float[Tensor, " d"]
    weight: Float[Tensor, "c d"]
    bias: Float[Tensor, " c"]

    def __call__(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Log-probabilities of the classes in nats."""
        standard = (features.to(self.mean) - self.mean) / self.spread
        return functional.linear(standard, self.weight, self.bias).log_softmax(1)


def fit_probe(
    features: Float[Tensor, "n d"],
    labels: Int[Tensor, " n"],
    n_classes: int,
    *,
    decay: float = 1e-3,
    balanced: bool = False,
    tolerance: float = 1e-5,
    max_steps: int = 1000,
) -> Probe:
    """Multinomial logistic regression on frozen features.

    Minimises  mean_i -log p(y_i | z_i) + decay/2 · ‖W‖²  over W and b, with p = softmax(W z + b) and z standardised to
    mean 0 and variance 1; the bias is not penalised. The objective is strictly convex in W, so the result does not
    depend on a start or a seed. L-BFGS with a strong Wolfe line search in float64.

    Args:
        features: One row an image.
        labels: The class of each image. Classes without images can never be answered.
        n_classes: Number of columns of the answer.
        decay: Strength of the penalty; 1/n is scikit-learn's C = 1.
        balanced: Whether each class weighs the same in the mean, however many images it has.
        tolerance: Largest entry of the gradient at which the fit counts as converged.
        max_steps: L-BFGS steps at the most.

    Raises:
        EvidenceError: There is no image, or the fit has not converged.
    """
    if not len(labels):
        raise EvidenceError("Expected images to fit a linear probe on, got none. Add attack images.")
    wide = features.detach().cpu().double()
    mean, spread = wide.mean(0), wide.std(0, correction=0)
    # What varies less than rounding does is constant: dividing by it would blow noise up to unit variance.
    spread = torch.where(spread > 1e-6 * wide.abs().amax(0), spread, torch.ones_like(spread))
    counts = torch.bincount(labels.long(), minlength=n_classes)
    present = counts.nonzero().squeeze(1)
    targets = torch.searchsorted(present, labels.long())
    shares = (1.0 / counts[labels.long()] / len(present)) if balanced else torch.full((len(labels),), 1 / len(labels))
    weight, bias = _minimise(
        (wide - mean) / spread, targets, shares.double(), len(present), decay, tolerance, max_steps
    )
    rows = wide.new_zeros(n_classes, wide.shape[1]).index_copy(0, present, weight)
    return Probe(mean, spread, rows, wide.new_full((n_classes,), float("-inf")).index_copy(0, present, bias))


def _minimise(
    z: Tensor, targets: Tensor, shares: Tensor, classes: int, decay: float, tolerance: float, max_steps: int
) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(classes, z.shape[1], dtype=z.dtype, requires_grad=True)
    bias = torch.zeros(classes, dtype=z.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=max_steps,
        max_eval=2 * max_steps,
        tolerance_grad=tolerance,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        losses = functional.cross_entropy(functional.linear(z, weight, bias), targets, reduction="none")
        loss = (shares * losses).sum() + decay / 2 * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(objective)
        objective()
    steepest = max(float(p.grad.abs().max()) for p in (weight, bias) if p.grad is not None)
    if not steepest <= tolerance:
        raise EvidenceError(
            f"Expected the linear probe to converge, but its gradient is still {steepest:.1e} after {max_steps} steps. "
            "Raise its decay."
        )
    return weight.detach(), bias.detach()
