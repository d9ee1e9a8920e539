"""Block features: what each block gives for images while a model runs, one row an image, with gradients if any."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.methods._layer_inputs import has_class_token, one_row_an_image
from expunge.values import Block
from expunge.vision import VisionModel


class BlockFeatures:
    """The features of the images that went through the model last.

    A feature is the class token that leaves a block, or the mean of the tokens where a model has no class token.
    """

    def __init__(self, blocks: Sequence[Block]):
        """Nothing has been recorded yet."""
        self._rows: dict[str, list[Tensor]] = {block.name: [] for block in blocks}

    def record(self, block: str, rows: Tensor) -> None:
        """Adds the rows of one forward pass."""
        self._rows[block].append(rows)

    def take(self, n: int) -> dict[str, Float[Tensor, "n width"]]:
        """Rows of the last `n` images by name of block, in the order they went through; all else is dropped."""
        taken = {name: torch.cat(parts)[-n:] for name, parts in self._rows.items()}
        for parts in self._rows.values():
            parts.clear()
        return taken


@contextmanager
def recorded(model: VisionModel, blocks: Sequence[Block]) -> Iterator[BlockFeatures]:
    """Records the features of `blocks` in every forward pass while the context lasts."""
    class_token = has_class_token(model)
    features = BlockFeatures(blocks)

    def record(block: Block) -> Callable[[nn.Module, object, Any], None]:
        layer = model.layer(block.linears[-1])

        def hook(module: nn.Module, args: object, returned: Any) -> None:
            hidden = returned[0] if isinstance(returned, tuple) else returned
            features.record(block.name, one_row_an_image(layer.outputs(hidden, len(hidden)), class_token=class_token))

        return hook

    with ExitStack() as stack:
        for block in blocks:
            handle = model.module.get_submodule(block.name).register_forward_hook(record(block))
            stack.callback(handle.remove)
        yield features
