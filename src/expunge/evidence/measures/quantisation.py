"""Quantisation attack: does what was forgotten come back when the weights are rounded to eight bits?"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.errors import EvidenceError
from expunge.evidence.measures.forgetting import Forgetting
from expunge.evidence.measures.linear_probe import LinearProbe
from expunge.evidence.measures.rows_in_place import RowsInPlace
from expunge.evidence.protocol import Case, Reading
from expunge.tasks.classification import view
from expunge.vision import VisionModel

_AGAIN = (Forgetting(), LinearProbe(), RowsInPlace())
_LEFT_OUT = frozenset({"h", "rows_in_place_h"})  # they compare with the original, which is not quantised


def _labels(bits: int) -> Mapping[str, str]:
    rows = {key: label for measure in _AGAIN for key, label in measure.labels.items() if key not in _LEFT_OUT}
    return {f"int{bits}_{key}": f"{label}, INT{bits}" for key, label in rows.items()}


@dataclass(frozen=True)
class Quantisation:
    """The rows of `forgetting`, `linear-probe` and `rows-in-place` again, with all Linear and Conv layers quantised.

    An edit may be smaller than a step of the rounding; then deploying the model brings the class back. Weights are
    quantised symmetrically, one scale an output channel, and used in their own dtype; activations and biases are not
    quantised, nor is a weight that no Linear, Conv or classifier layer holds, nor a row that is put back.

    Attributes:
        bits: 8 or 4; keys begin with `int8_` or `int4_`.
    """

    bits: int = 8

    name: ClassVar[str] = "quantisation"
    summary: ClassVar[str] = "accuracy and probe again after rounding the weights to INT8"
    source: ClassVar[str] = "arXiv 2605.02196, for language models; scheme: Nagel et al., arXiv 2106.08295"
    slow: ClassVar[bool] = True
    labels: ClassVar[Mapping[str, str]] = _labels(8)
    """Of the default; an instance with other bits has its own."""

    def __post_init__(self) -> None:
        if self.bits not in (8, 4):
            raise EvidenceError(f"Expected 8 or 4 bits for the quantisation measure, got {self.bits}.")
        object.__setattr__(self, "labels", _labels(self.bits))  # what it cannot give must not be promised

    def missing(self, case: Case) -> str | None:
        """Needs what the measures need, the first of them at least."""
        return _AGAIN[0].missing(case)

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The rows under the quantised model; it is put back bit for bit."""
        with quantised(case.model, self.bits):
            again = replace(case, view=view(case.model, case.attack, case.test))
        rows = (row for measure in _AGAIN if measure.missing(again) is None for row in measure.measure(again))
        return tuple(replace(row, key=f"int{self.bits}_{row.key}") for row in rows if row.key not in _LEFT_OUT)


def quantise(weight: Float[Tensor, "out *rest"], bits: int) -> Float[Tensor, "out *rest"]:
    """Weights rounded to `bits` bits and back: symmetric, one scale an output channel.

    s = max |w| / (2^(bits-1) - 1) over the channel, w' = s · round(w / s), ties to even.

    Source: Nagel et al., "A White Paper on Neural Network Quantization", arXiv 2106.08295, section 2.

    Args:
        weight: First dimension: output channels. A channel of zeros stays as it is.
        bits: At least 2.

    Returns:
        The weights that an integer kernel would use, in the dtype of `weight`.

    Raises:
        EvidenceError: Fewer than 2 bits.
    """
    if bits < 2:
        raise EvidenceError(f"Expected at least 2 bits to quantise to, got {bits}.")
    flat = weight.float().reshape(len(weight), -1)
    step = flat.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    rounded = torch.where(step > 0, (flat / step).round() * step, flat)
    return rounded.reshape(weight.shape).to(weight.dtype)


@contextmanager
def quantised(model: VisionModel, bits: int) -> Iterator[None]:
    """Quantises the weights of all Linear and Conv layers, and of the classifier, while the context lasts."""
    weights = _weights(model)
    kept = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                weight.copy_(quantise(weight, bits))
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, kept, strict=True):
                weight.copy_(before)


def _weights(model: VisionModel) -> list[Tensor]:
    """The weights to quantise, each once though layers may share it."""
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    named = model.module.named_modules()
    layers = [layer for name, layer in named if isinstance(layer, kinds) or name == model.head_name]
    return list({id(w): w for layer in layers if isinstance(w := layer.weight, Tensor)}.values())
