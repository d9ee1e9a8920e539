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
        self._kept: dict[int, tuple[Sample, Tensor]] = {}  # keyed by id; the sample is held so that ids stay unique

    def states(self, samples: Sequence[Sample]) -> Tensor:
        """Hidden states of images, stacked, on the model's device."""
        fresh: dict[int, Tensor] = {}
        missing = {id(s): s for s in samples if id(s) not in self._kept}
        if missing:
            pixels = self.model.prepare([s.load() for s in missing.values()]).to(self.model.device)
            with torch.no_grad():
                computed = self.model.enter(pixels, self.entry)
            fresh = dict(zip(missing, computed, strict=True))
            for key, state in fresh.items():
                self._keep(missing[key], state)
        states = [fresh[id(s)] if id(s) in fresh else self._kept[id(s)][1] for s in samples]
        return torch.stack([state.to(self.model.device) for state in states])

    def put(self, samples: Sequence[Sample], states: Tensor) -> None:
        """Takes in hidden states that were computed earlier, whatever room they need; their samples are never read."""
        for sample, state in zip(samples, states, strict=True):
            self._kept[id(sample)] = (sample, state)

    def indices(self, n: int) -> Iterator[list[int]]:
        """0 to n - 1 in order, in batches."""
        for start in range(0, n, self.batch_size):
            yield list(range(start, min(start + self.batch_size, n)))

    def _keep(self, sample: Sample, state: Tensor) -> None:
        size = state.numel() * state.element_size()
        if size <= self._room:
            self._room -= size
            self._kept[id(sample)] = (sample, state.cpu().clone())


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
