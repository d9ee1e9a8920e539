"""Information Difference Index: what layers still say of forgotten images; 0 as the oracle's, 1 as the original's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from expunge.evidence.measures._readings import attackable
from expunge.evidence.measures.linear_probe import fit_probe
from expunge.evidence.protocol import Aim, Case, Reading
from expunge.intervals import ends, percentiles, resample_counts
from expunge.tasks import Observed, View

_MOST_LAYERS = 96


@dataclass(frozen=True)
class IDI:
    """Information Difference Index, with mutual information bounded from below by a logistic probe on every layer.

    Y is 1 for an image of a forgotten class and 0 for one of a retained class. The paper bounds I(Z; Y) with InfoNCE
    and a trained critic; here the bound is that of Barber and Agakov, which a convex fit reaches in milliseconds and
    always reaches alike (see `information`). Both are lower bounds: what a linear probe cannot read does not count.
    There is no `idi` row where the original holds no more than the oracle, up to chance: then there was nothing to
    remove.

    Attributes:
        decay: L2 penalty of the probes; see `fit_probe`.
        draws: Bootstrap draws over test images.
    """

    decay: float = 1e-3
    draws: int = 200

    name: ClassVar[str] = "idi"
    summary: ClassVar[str] = "information on forgotten classes left in the layers: 0 as the oracle, 1 as the original"
    source: ClassVar[str] = "Jeon et al., arXiv 2405.17878; bound: Barber and Agakov, NIPS 2003"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "idi": "IDI",
        "information": "information, mean over layers",
        **{f"information_layer_{layer}": f"information, block {layer}" for layer in range(_MOST_LAYERS)},
    }

    def missing(self, case: Case) -> str | None:
        """Needs an oracle, layers, and attack and test images of forgotten and of retained classes."""
        if case.oracle is None:
            return "needs an oracle"
        if not attackable(case):
            return "needs a forgotten class with attack images and test images"
        if not (case.view.attack.among(case.retain).any() and case.view.test.among(case.retain).any()):
            return "needs attack images and test images of a retained class"
        for attack, test in ((view.attack, view.test) for view in (case.view, case.original, case.oracle)):
            if not test.layers or {len(attack.layers), len(test.layers)} != {len(case.view.test.layers)}:
                return "needs views with the same number of layers"
            if not _same_labels(attack, case.view.attack) or not _same_labels(test, case.view.test):
                return "needs views of the same images"
            if not all(layer.isfinite().all() for layer in (*attack.layers, *test.layers)):
                return "needs features that are finite"
        return None

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The index; the information in nats, as a mean over layers and layer by layer."""
        assert case.oracle is not None  # `missing` has said so
        forgotten = attackable(case)
        y = case.view.test.only({*forgotten, *case.retain}).among(forgotten)
        counts = resample_counts(len(y), seed=case.seed, draws=self.draws)
        counts = torch.cat([torch.ones_like(counts[:1]), counts])  # the first "draw" is the images themselves
        edited, oracle, original = (
            information(self._gains(case, view, forgotten), y, counts)
            for view in (case.view, case.oracle, case.original)
        )
        readings = [_reading("information", edited.mean(0), "nats", len(y), "oracle")]
        if percentiles((original - oracle).sum(0)[1:]).low > 0:
            readings.insert(0, _reading("idi", difference_index(edited, oracle, original), "1", len(y), "oracle"))
        lowest = max(0, len(case.model.blocks) - len(edited))  # a view may begin above the lowest block
        for layer, values in enumerate(edited[: _MOST_LAYERS - lowest], start=lowest):
            readings.append(_reading(f"information_layer_{layer}", values, "nats", len(y), "context"))
        return tuple(readings)

    def _gains(self, case: Case, view: View, forgotten: Sequence[int]) -> Float[Tensor, "layers n"]:
        classes = {*forgotten, *case.retain}
        attack, test = view.attack.only(classes), view.test.only(classes)
        known, asked = attack.among(forgotten), test.among(forgotten)
        pairs = zip(attack.layers, test.layers, strict=True)
        return torch.stack([pointwise_gains(a, known, t, asked, decay=self.decay) for a, t in pairs])


def pointwise_gains(
    features: Float[Tensor, "m d"],
    y: Bool[Tensor, " m"],
    held_out: Float[Tensor, "n d"],
    held_out_y: Bool[Tensor, " n"],
    *,
    decay: float = 1e-3,
) -> Float[Tensor, " n"]:
    """Pointwise information of a layer on each held-out image: log q(y | z) - log ½ in nats, q a probe of other images.

    Both values of y weigh the same in the fit, so that the numbers do not depend on how many classes are forgotten.

    Args:
        features: A layer's features of the images to fit on.
        y: Their labels; both values must occur.
        held_out: The layer's features of the images to count on.
        held_out_y: Their labels.
        decay: L2 penalty of the probe.
    """
    probe = fit_probe(features, y.long(), 2, decay=decay, balanced=True, tolerance=1e-4)
    return probe(held_out).gather(1, held_out_y.long()[:, None]).squeeze(1) + log(2)


def information(
    gains: Float[Tensor, "layers n"], y: Bool[Tensor, " n"], counts: Float[Tensor, "b n"] | None = None
) -> Float[Tensor, "layers b"]:
    """A lower bound of the mutual information I(Z; Y) in nats, under P(Y = 1) = ½: from 0 to ln 2 = 0.693.

    I(Z; Y) = H(Y) - H(Y | Z) >= H(Y) + E log q(y | z) for any q; the expectation is the mean of the means over either
    value of y. Information is never negative, so a bound below 0 says 0.

    Source: Barber and Agakov, "The IM algorithm", NIPS 2003, equation 3.

    Args:
        gains: What `pointwise_gains` gave for each layer.
        y: The labels.
        counts: For each of b draws how often each image was drawn; by default once, b = 1. Where a draw lacks one value
            of y, the bound is undefined: NaN.
    """
    counts = torch.ones(1, len(y), dtype=torch.float64) if counts is None else counts.double()
    known, other = counts * y, counts * ~y
    means = (gains.double() @ side.T / side.sum(1) for side in (known, other))
    return (sum(means, torch.zeros(())) / 2).clamp_min(0.0)


def difference_index(
    edited: Float[Tensor, "layers b"], oracle: Float[Tensor, "layers b"], original: Float[Tensor, "layers b"]
) -> Float[Tensor, " b"]:
    """IDI = Σ_l [I(Z_edited,l; Y) - I(Z_oracle,l; Y)] / Σ_l [I(Z_original,l; Y) - I(Z_oracle,l; Y)].

    0: the layers know what the oracle's know; 1: they know what the original's know; below 0: they know less than the
    oracle's. Undefined (NaN or infinite) where original and oracle hold the same.

    Source: Jeon et al., arXiv 2405.17878, section on the Information Difference Index.

    Args:
        edited: Information in each layer of the model under test, for each of b draws of images.
        oracle: The same of the oracle.
        original: The same of the original.
    """
    return (edited - oracle).sum(0) / (original - oracle).sum(0)


def _same_labels(first: Observed, second: Observed) -> bool:
    return torch.equal(first.labels, second.labels)


def _reading(key: str, values: Tensor, unit: str, n: int, aim: Aim) -> Reading:
    """The first value is that of the images themselves, the others are those of draws."""
    around = percentiles(values[1:])
    return Reading(key, float(values[0]), unit, n, *ends(around, n), aim)
