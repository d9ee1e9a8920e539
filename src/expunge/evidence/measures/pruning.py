"""Pruning attack: does what was forgotten come back when the smallest weights are pruned away?"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from expunge.errors import EvidenceError
from expunge.evidence.measures.linear_probe import LinearProbe
from expunge.evidence.measures.rows_in_place import RowsInPlace
from expunge.evidence.protocol import Case, Reading
from expunge.tasks.classification import view
from expunge.vision import VisionModel

_AGAIN = (RowsInPlace(), LinearProbe())
_LEFT_OUT = frozenset({"rows_in_place_h"})  # it compares with the original, which is not pruned
_PERCENT = (30, 50, 70)


def _labels() -> Mapping[str, str]:
    rows = {key: label for measure in _AGAIN for key, label in measure.labels.items() if key not in _LEFT_OUT}
    return {f"pruned_{p}_{key}": f"{label}, {p} % pruned" for p in _PERCENT for key, label in rows.items()}


@dataclass(frozen=True)
class Pruning:
    """The rows of `rows-in-place` and `linear-probe` again, with the smallest weights of the blocks set to zero.

    An edit that hides a class behind many small changes loses them here, and the class comes back. Weights of the
    Linear and Conv layers inside the blocks are ranked together by magnitude, whatever layer they are in; biases,
    norms, what lies outside the blocks, and the head with the rows that are put back, are left alone. Read the rows
    beside the probe of what stays: where that has fallen, pruning has destroyed the model.

    Attributes:
        percent: How much of the weights goes, each by itself; among 30, 50 and 70.
    """

    percent: tuple[int, ...] = _PERCENT

    name: ClassVar[str] = "pruning"
    summary: ClassVar[str] = "accuracy with rows in place and probe again after pruning the smallest weights"
    source: ClassVar[str] = (
        "magnitude pruning: Han et al., arXiv 1506.02626; as an attack, after INT8 in arXiv 2605.02196: ours"
    )
    slow: ClassVar[bool] = True
    labels: ClassVar[Mapping[str, str]] = _labels()

    def __post_init__(self) -> None:
        """Refuses settings that no row stands for."""
        if not self.percent or not set(self.percent) <= set(_PERCENT):
            raise EvidenceError(
                f"Expected percentages among 30, 50 and 70 for the pruning measure, got {self.percent}."
            )

    def missing(self, case: Case) -> str | None:
        """Needs what rows in place need, and blocks with Linear or Conv layers."""
        return _AGAIN[0].missing(case) or (
            None if _weights(case.model) else "needs Linear or Conv layers in the blocks"
        )

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The rows under each pruned model; it is put back bit for bit."""
        readings: list[Reading] = []
        for percent in self.percent:
            with pruned(case.model, percent / 100):
                again = replace(case, view=view(case.model, case.attack, case.test))
            rows = (row for measure in _AGAIN if measure.missing(again) is None for row in measure.measure(again))
            readings += [replace(row, key=f"pruned_{percent}_{row.key}") for row in rows if row.key not in _LEFT_OUT]
        return tuple(readings)


@contextmanager
def pruned(model: VisionModel, share: float) -> Iterator[None]:
    """Sets the smallest weights of the blocks to zero while the context lasts.

    Args:
        model: The live model; on leaving it is, bit for bit, what it was.
        share: Part of the weights to prune, 0 to 1; of weights as large as the largest pruned one, all go.
    """
    weights = _weights(model)
    bound = threshold(weights, share)
    kept = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                weight.masked_fill_(weight.abs().float() <= bound, 0.0)
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, kept, strict=True):
                weight.copy_(before)


def threshold(weights: Sequence[Tensor], share: float) -> float:
    """The magnitude that `share` of all entries do not exceed; below zero where that is less than one entry."""
    magnitudes = torch.cat([weight.detach().abs().float().flatten().cpu() for weight in weights])
    count = int(share * len(magnitudes))
    return float(magnitudes.kthvalue(count).values) if count else -1.0


def _weights(model: VisionModel) -> list[Tensor]:
    """The weights to prune, each once though layers may share it."""
    kinds, insides = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d), tuple(f"{block.name}." for block in model.blocks)
    layers = [
        layer
        for name, layer in model.module.named_modules()
        if isinstance(layer, kinds) and f"{name}.".startswith(insides)
    ]
    return list({id(layer.weight): layer.weight for layer in layers}.values())
