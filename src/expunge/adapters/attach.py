"""Puts LoRA layers into a model for the time of a training, and takes them out again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from expunge.adapters.edit import Edit, LowRank
from expunge.adapters.lora import LoRA, lora


def _replace(module: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent), child, new)


@contextmanager
def attached(
    module: nn.Module, names: Sequence[str], *, rank: int, scale: float, seed: int
) -> Iterator[dict[str, LoRA]]:
    """Gives the named Linear and Conv2d layers a low-rank addition while the context lasts.

    Yields:
        Qualified name -> LoRA layer. The original layers are put back on leaving, whatever happened inside.
    """
    generator = torch.Generator().manual_seed(seed)
    originals = {name: module.get_submodule(name) for name in names}
    layers = {}
    try:
        for name, base in originals.items():
            try:
                layers[name] = lora(base, rank, scale, generator)
            except TypeError as error:
                raise TypeError(f"at {name!r}: {error}") from None
            _replace(module, name, layers[name])
        yield layers
    finally:
        for name, base in originals.items():
            _replace(module, name, base)


def to_edit(layers: dict[str, LoRA]) -> Edit:
    """The trained change as a value on the CPU. Layers whose change is exactly zero are pruned: they do not appear."""
    deltas = {
        name: LowRank(layer.lora_a.detach().cpu().clone(), layer.lora_b.detach().cpu().clone(), layer.scale)
        for name, layer in layers.items()
        if bool(layer.lora_a.count_nonzero()) and bool(layer.lora_b.count_nonzero())
    }
    return Edit(deltas=deltas)
