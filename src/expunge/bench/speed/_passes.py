"""Counts what a method does with images: pixels read, forward and backward passes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from expunge.data import Images, Pixels, Sample
from expunge.vision import VisionModel


@dataclass
class Passes:
    """Passes of one image through all blocks of a model; a part of the blocks is a part of a pass."""

    forward: float = 0.0
    backward: float = 0.0


@contextmanager
def counted(model: VisionModel) -> Iterator[Passes]:
    """Counts the passes through `model` while the context lasts. Costs next to nothing."""
    passes, share = Passes(), 1 / len(model.blocks)

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], returned: Any) -> None:
        given = args[0] if args else next(iter(kwargs.values()))
        hidden = returned[0] if isinstance(returned, tuple) else returned
        if hidden is given:  # a block below the entry of a cache passes on what it is given and does no work
            return
        n = len(hidden)
        passes.forward += n * share
        if hidden.requires_grad:

            def backward(gradient: Tensor) -> None:
                passes.backward += n * share

            hidden.register_hook(backward)

    with ExitStack() as stack:
        for block in model.blocks:
            handle = model.module.get_submodule(block.name).register_forward_hook(hook, with_kwargs=True)
            stack.callback(handle.remove)
        yield passes


@dataclass(frozen=True)
class Reads:
    """Notes the names of the images whose pixels are read."""

    names: set[str] = field(default_factory=set)

    def watch(self, images: Images) -> Images:
        """The same images; each tells when it is read."""
        return Images(tuple(_Watched(sample, self.names) for sample in images.samples), images.labels, images.classes)


@dataclass(frozen=True, eq=False)
class _Watched:
    original: Sample
    names: set[str]

    @property
    def name(self) -> str:
        """The original's."""
        return self.original.name

    def load(self) -> Pixels:
        """The original's pixels."""
        self.names.add(self.name)
        return self.original.load()
