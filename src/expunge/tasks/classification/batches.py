"""Images of a training step, and what the model makes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from expunge.data import Images, Sample
from expunge.vision import ActivationCache, Output, autocast


@dataclass(frozen=True, eq=False)
class Batch:
    """Images of one training step and what the model makes of them now.

    Attributes:
        samples: The images.
        labels: (n,) their classes.
        output: Embeddings and logits under the weights in training.
    """

    samples: tuple[Sample, ...]
    labels: Int[Tensor, " n"]
    output: Output


Objective = Callable[[Batch, Batch], Tensor]
"""(retain batch, forget batch) -> scalar data loss."""


def both_batches(
    cache: ActivationCache, retain: Images, kept: Sequence[int], forget: Images, gone: Sequence[int]
) -> tuple[Batch, Batch]:
    """Runs `retain[kept]` and `forget[gone]` in one forward pass, under the caller's grad mode."""
    hidden = torch.cat([cache.hidden(retain, kept), cache.hidden(forget, gone)])
    with autocast(cache.model.device):
        both = cache.model.resume(hidden, cache.entry)
    cut = len(kept)
    embedding, logits = both.embedding.float(), both.logits.float()
    return (
        make_batch(retain, kept, Output(embedding[:cut], logits[:cut])),
        make_batch(forget, gone, Output(embedding[cut:], logits[cut:])),
    )


def output_as_trained(cache: ActivationCache, images: Images, indices: Sequence[int]) -> Output:
    """Output of the model for `images[indices]` in the precision of a training step, under the caller's grad mode.

    Only the blocks that run again are computed so; what is cached of the blocks below is the same for everybody.
    """
    hidden = cache.hidden(images, indices)
    with autocast(cache.model.device):
        return cache.model.resume(hidden, cache.entry)


@torch.no_grad()
def outputs_as_trained(cache: ActivationCache, images: Images) -> Output:
    """Embeddings and logits of all `images`, at least one, on the CPU in float32; see `output_as_trained`."""
    parts = [output_as_trained(cache, images, batch) for batch in cache.batches(images)]
    embedding, logits = torch.cat([part.embedding for part in parts]), torch.cat([part.logits for part in parts])
    return Output(embedding.float().cpu(), logits.float().cpu())


def make_batch(images: Images, indices: Sequence[int], output: Output) -> Batch:
    """`images[indices]` with the model's `output` for them; labels on the output's device."""
    labels = torch.tensor([images.labels[i] for i in indices], device=output.logits.device, dtype=torch.int64)
    return Batch(tuple(images.samples[i] for i in indices), labels, output)
