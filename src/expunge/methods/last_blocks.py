"""The setting `last_blocks`, which many methods have: how far down an edit reaches."""

from expunge.vision.wrapped import Wrapped


def lowest_block(model: Wrapped, last_blocks: int) -> int:
    """Index of the lowest of a model's `last_blocks` last blocks; 0 stands for all of them."""
    return max(0, len(model.blocks) - last_blocks) if last_blocks else 0
