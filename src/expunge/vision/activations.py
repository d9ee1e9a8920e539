"""Hidden states of images, computed once where the blocks below them never change."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from expunge.data import Images, Sample
from expunge.vision.model import Output, VisionModel
from expunge.vision.wrapped import Wrapped

M = TypeVar("M", bound=Wrapped)

GIBIBYTE = 1 << 30


class StateCache(Generic[M]):
    """The hidden states that enter block `entry` of a model, kept per image.

    Sound as long as nothing below `entry` is edited; the blocks from `entry` on may change at will.

    Attributes:
        model: The model.
        entry: Index of the first block that runs again for every batch.
        batch_size: Images that run together where nobody says how many.
    """

    def __init__(self, model: M, entry: int = 0, *, batch_size: int = 48, limit_bytes: int = 2 * GIBIBYTE):
        """Keeps at most `limit_bytes` of hidden states in main memory; images past that are computed anew."""
        self.model = model
        self.entry = entry
        self.batch_size = batch_size
        self._room = limit_bytes
        self._kept: dict[Sample, Tensor] = {}  # not by name: images of two data sets may have one

    def states(self, samples: Sequence[Sample]) -> Tensor:
        """Hidden states of images, stacked, on the model's device; those kept go there together."""
        missing = [sample for sample in dict.fromkeys(samples) if sample not in self._kept]
        if not missing:
            return torch.stack([self._kept[sample] for sample in samples]).to(self.model.device)
        known = [sample for sample in dict.fromkeys(samples) if sample in self._kept]
        parts = [self._computed(missing), *([self.states(known)] if known else [])]
        rows = {sample: row for row, sample in enumerate((*missing, *known))}
        return torch.cat(parts)[[rows[sample] for sample in samples]]

    def put(self, samples: Sequence[Sample], states: Tensor) -> None:
        """Takes in hidden states that were computed earlier, whatever room they need; their samples are never read."""
        self._kept.update(zip(samples, states.cpu(), strict=True))

    def indices(self, n: int) -> Iterator[list[int]]:
        """0 to n - 1 in order, in batches."""
        for start in range(0, n, self.batch_size):
            yield list(range(start, min(start + self.batch_size, n)))

    @torch.no_grad()
    def _computed(self, samples: Sequence[Sample]) -> Tensor:
        """Hidden states of images that are read now; as many as there is room for are kept."""
        pixels = self.model.prepare([sample.load() for sample in samples]).to(self.model.device)
        states = self.model.enter(pixels, self.entry)
        size = states[0].numel() * states.element_size()
        n = min(len(samples), self._room // size)
        self._room -= n * size
        self._kept.update(zip(samples, states[:n].to("cpu", copy=True), strict=False))
        return states


class ActivationCache(StateCache[VisionModel]):
    """The hidden states of a classifier's images."""

    def hidden(self, images: Images, indices: Sequence[int]) -> Tensor:
        """Hidden states of `images[indices]`, stacked, on the model's device."""
        return self.states([images.samples[i] for i in indices])

    def output(self, images: Images, indices: Sequence[int]) -> Output:
        """Embeddings and logits of `images[indices]`, under the caller's grad mode."""
        return self.model.resume(self.hidden(images, indices), self.entry)

    def batches(self, images: Images) -> Iterator[list[int]]:
        """Indices of `images` in order, in batches."""
        return self.indices(len(images))

    @torch.no_grad()
    def outputs(self, images: Images, progress: Callable[[int], None] = lambda done: None) -> Output:
        """Embeddings and logits of all `images`, on the CPU; `progress` is told the size of each batch."""
        parts = []
        for batch in self.batches(images):
            parts.append(self.output(images, batch))
            progress(len(batch))
        embedding = torch.cat([part.embedding for part in parts]).float().cpu()
        return Output(embedding, torch.cat([part.logits for part in parts]).float().cpu())
