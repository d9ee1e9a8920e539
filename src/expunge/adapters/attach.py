"""Puts LoRA layers into a model for the time of a training, and takes them out again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from expunge.adapters.edit import Edit, LowRank
from expunge.adapters.lora import LoRALinear


def _replace(module: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent), child, new)


@contextmanager
def attached(
    module: nn.Module, names: Sequence[str], *, rank: int, scale: float, seed: int
) -> Iterator[dict[str, LoRALinear]]:
    """Wraps the named Linear layers in `LoRALinear` while the context lasts.

    Yields:
        Qualified name -> LoRA layer. The original layers are put back on leaving, whatever happened inside.
    """
    generator = torch.Generator().manual_seed(seed)
    originals = {name: module.get_submodule(name) for name in names}
    layers = {}
    try:
        for name, base in originals.items():
            if not isinstance(base, nn.Linear):
                raise TypeError(f"expected a torch.nn.Linear at {name!r}, found {type(base).__name__}")
            layers[name] = LoRALinear(base, rank, scale, generator)
            _replace(module, name, layers[name])
        yield layers
    finally:
        for name, base in originals.items():
            _replace(module, name, base)


def to_edit(layers: dict[str, LoRALinear]) -> Edit:
    """The trained change as a value on the CPU. Layers whose change is exactly zero are pruned: they do not appear."""
    deltas = {
        name: LowRank(layer.lora_a.detach().cpu().clone(), layer.lora_b.detach().cpu().clone(), layer.scale)
        for name, layer in layers.items()
        if bool(layer.lora_a.count_nonzero()) and bool(layer.lora_b.count_nonzero())
    }
    return Edit(deltas=deltas)
