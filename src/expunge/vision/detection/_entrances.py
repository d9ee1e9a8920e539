"""Cuts of a detector's forward pass, and how it goes on from there.

With a backbone there are two places: behind the backbone, from where encoder and decoder run, and behind the encoder,
from where the decoder runs. Blocks of a decoder cannot be skipped one by one: each corrects the boxes of the one below.
Without a backbone, as in YOLOS, each block is a place.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from expunge.errors import NoBlocksError
from expunge.values import Block
from expunge.vision import _forwards

Place = int | str
"""A place to cut: "backbone", "encoder", or the index of a block."""


class Entrances(Protocol):
    """The places of one detector."""

    def place(self, block: int) -> Place:
        """The highest place below or at a block."""
        ...

    def record(self, pixels: Tensor, settings: dict[str, Any], place: Place) -> list[Tensor]:
        """Tensors that pass a place, one or more, with one row an image."""
        ...

    @contextmanager
    def replay(self, parts: Sequence[Tensor], pixels: Tensor, place: Place) -> Iterator[dict[str, Any]]:
        """Makes the module take `parts` for what passed; yields what it must be called with as well."""
        ...


class BehindBackbone:
    """The places of a detector with a backbone, with or without an encoder whose output can be handed over."""

    def __init__(self, module: nn.Module, backbone: str, blocks: Sequence[Block], pixels: Tensor) -> None:
        """Tries one image to see which blocks run once the encoder's output is there."""
        self._module = module
        self._backbone = backbone
        self._shapes: dict[tuple[int, ...], list[torch.Size]] = {}
        self._decoder: frozenset[int] = frozenset()
        with torch.no_grad():
            self._decoder = self._find_decoder(blocks, pixels)

    def place(self, block: int) -> Place:
        """Behind the encoder for blocks of the decoder, else behind the backbone."""
        return "encoder" if block in self._decoder else "backbone"

    def record(self, pixels: Tensor, settings: dict[str, Any], place: Place) -> list[Tensor]:
        """The backbone's feature maps, or the encoder's output."""
        maps = self._maps(pixels)
        if place == "backbone":
            return maps
        with self.replay(maps, pixels, "backbone"):
            encoded = getattr(self._module(pixels, **settings), "encoder_last_hidden_state", None)
        return [encoded] if isinstance(encoded, Tensor) else list(encoded or ())

    @contextmanager
    def replay(self, parts: Sequence[Tensor], pixels: Tensor, place: Place) -> Iterator[dict[str, Any]]:
        """Behind the encoder the feature maps are blank: only their shapes matter there."""
        from transformers.modeling_outputs import BackboneOutput, BaseModelOutput

        maps, extra = list(parts), {}
        if place == "encoder":
            maps = [pixels.new_zeros(1).expand(len(pixels), *shape) for shape in self._map_shapes(pixels)]
            encoded: Any = parts[0] if len(parts) == 1 else list(parts)
            extra = {"encoder_outputs": BaseModelOutput(last_hidden_state=encoded)}
        backbone = self._module.get_submodule(self._backbone)
        output = BackboneOutput(feature_maps=tuple(maps))  # pyright: ignore[reportArgumentType]
        with _forwards.replaced({backbone: lambda *args, **kwargs: output}):
            yield extra

    def _maps(self, pixels: Tensor) -> list[Tensor]:
        made = self._module.get_submodule(self._backbone)(pixels)
        maps = list(getattr(made, "feature_maps", made))  # a backbone of timm gives a plain list
        self._shapes[tuple(pixels.shape[1:])] = [part.shape[1:] for part in maps]
        return maps

    def _map_shapes(self, pixels: Tensor) -> list[torch.Size]:
        if tuple(pixels.shape[1:]) not in self._shapes:
            with torch.no_grad():
                self._maps(pixels[:1])
        return self._shapes[tuple(pixels.shape[1:])]

    def _find_decoder(self, blocks: Sequence[Block], pixels: Tensor) -> frozenset[int]:
        parts = self.record(pixels, {}, "encoder")
        if not parts:
            return frozenset()
        with ExitStack() as stack:
            extra = stack.enter_context(self.replay(parts, pixels, "encoder"))
            modules = [self._module.get_submodule(block.name) for block in blocks]
            heard = [stack.enter_context(_forwards.watched(module)) for module in modules]
            self._module(pixels, **extra)
        return frozenset(index for index, calls in enumerate(heard) if calls)


class BeforeBlocks:
    """The places of a detector that is one row of blocks."""

    def __init__(self, module: nn.Module, blocks: Sequence[Block], pixels: Tensor) -> None:
        """Tries one image to see what blocks return."""
        self._module = module
        self._blocks = blocks
        with torch.no_grad(), _forwards.watched(*self._parts(len(blocks) - 1)) as calls:
            module(pixels)
        self._returns = _forwards.returns_of(calls[0][1]) if calls else None

    def place(self, block: int) -> Place:
        """The block itself."""
        return block

    def record(self, pixels: Tensor, settings: dict[str, Any], place: Place) -> list[Tensor]:
        """The hidden states that enter the block.

        Raises:
            NoBlocksError: The module never calls it.
        """
        hidden = _forwards.enter(self._module, self._parts(int(place))[-1], pixels)
        if hidden is None:
            raise NoBlocksError(f"{type(self._module).__name__} never calls its block {self._blocks[int(place)].name}.")
        return [hidden]

    @contextmanager
    def replay(self, parts: Sequence[Tensor], pixels: Tensor, place: Place) -> Iterator[dict[str, Any]]:
        """Lets the blocks below pass on what they are given."""
        *lower, block = self._parts(int(place))
        with _forwards.skipped(dict.fromkeys(lower, self._returns), block, parts[0]):
            yield {}

    def _parts(self, last: int) -> list[nn.Module]:
        return [self._module.get_submodule(block.name) for block in self._blocks[: last + 1]]
