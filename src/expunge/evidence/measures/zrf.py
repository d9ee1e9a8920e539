"""Zero-retrain forgetting: likeness of the answers to forgotten images to those of a model that knows nothing."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from expunge.evidence.measures.js_divergence import js_divergence
from expunge.evidence.protocol import Case, Reading
from expunge.intervals import bootstrap_mean, ends
from expunge.vision import ActivationCache, VisionModel


@dataclass(frozen=True)
class ZRF:
    """Zero-retrain forgetting: 1 minus the mean JS divergence to a randomly initialised copy, on forgotten images.

    1 is a model that says of these images what a model without any training says. A model retrained without the
    class is *not* there, for it takes the images for something else: the value to reach is the oracle's.
    """

    name: ClassVar[str] = "zrf"
    summary: ClassVar[str] = "likeness to a randomly initialised model on images of forgotten classes"
    source: ClassVar[str] = "Chundawat et al., AAAI 2023, arXiv 2205.08096"
    slow: ClassVar[bool] = True
    labels: ClassVar[Mapping[str, str]] = {"zrf": "ZRF"}

    def missing(self, case: Case) -> str | None:
        """Needs test images of a forgotten class."""
        return None if case.view.test.among(case.forgotten).any() else "needs test images of a forgotten class"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """ZRF with a bootstrap interval over images; the divergence is in bits, so the score runs from 0 to 1."""
        blank = randomly_initialised(case.model, case.seed)
        theirs = ActivationCache(blank).outputs(case.test.only(case.forgotten)).logits
        scores = 1 - js_divergence(case.view.test.only(case.forgotten).logits, theirs)
        around = bootstrap_mean(scores, seed=case.seed)
        return (Reading("zrf", float(scores.mean()), "1", len(scores), *ends(around, len(scores))),)


def randomly_initialised(model: VisionModel, seed: int) -> VisionModel:
    """A copy of `model` without what it learnt.

    Weights with two or more dimensions are drawn from a normal distribution of variance 1 / fan-in, biases are 0 and
    all other vectors 1, as the scales of norms start; running statistics start anew. That depends on the structure
    and the seed alone, so all edits of one model are compared with the same copy.

    Args:
        model: Is left as it is.
        seed: Seeds the drawing.
    """
    module = copy.deepcopy(model.module)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in sorted((*module.named_parameters(), *_biases(module))):
            tensor.copy_(_initial(name, tensor, generator))
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._NormBase):
                part.reset_running_stats()
    return VisionModel(
        module, model.classes, preprocess=model.preprocess, head=model.head, name=model.name, blocks=model.blocks
    )


def _biases(module: nn.Module) -> list[tuple[str, Tensor]]:
    """Biases kept as buffers: a cosine classifier's, where an edit strikes classes."""
    return [(name, buffer) for name, buffer in module.named_buffers() if name.rpartition(".")[2] == "bias"]


def _initial(name: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    if name.rpartition(".")[2].endswith("bias"):
        return torch.zeros_like(tensor)
    if tensor.ndim < 2:
        return torch.ones_like(tensor)
    fan_in = tensor.numel() // tensor.shape[0]
    return torch.randn(tensor.shape, generator=generator) / math.sqrt(fan_in)
