"""Finding a detector's parts by what they are and do: its backbone, its blocks, and the layer that makes its logits."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from expunge.errors import HeadError, NoBlocksError
from expunge.values import Block
from expunge.vision import _forwards, blocks
from expunge.vision.detection.output import Kind


@dataclass(frozen=True, slots=True)
class FoundHead:
    """The layer that makes the logits.

    Attributes:
        name: Its name.
        kind: What the logits are, as its rows tell: one a class, or one more for "no object".
    """

    name: str
    kind: Kind


def find_backbone(module: nn.Module) -> str | None:
    """Name of the outermost maker of feature maps, a backbone of transformers or of timm; None where there is none.

    transformers' detectors hold a backbone of timm unwrapped; it tells what it makes as `feature_info`.
    """
    from transformers.backbone_utils import BackboneMixin

    def makes_maps(part: nn.Module) -> bool:
        return isinstance(part, BackboneMixin) or hasattr(part, "feature_info")

    return next((name for name, part in module.named_modules() if makes_maps(part)), None)


def find_detection_blocks(module: nn.Module, backbone: str | None) -> tuple[Block, ...]:
    """The blocks with feed-forward networks of the encoder and the decoder, in registration order.

    As `find_blocks` finds them, but for two things: what the backbone is made of does not count, and a block may stand
    alone, as in the encoder of RT-DETR.

    Raises:
        NoBlocksError: There is none.
    """
    inside = f"{backbone}." if backbone is not None else None
    parts = {name: part for name, part in module.named_modules() if inside is None or not name.startswith(inside)}
    linears: dict[str, list[str]] = {}
    for ffn in blocks.find_ffns(parts):
        owner = blocks._owner(ffn, parts)
        if owner is not None:
            linears.setdefault(owner, []).extend(ffn)
    if not linears:
        raise NoBlocksError(
            f"No block with a feed-forward network was recognised in {type(module).__name__}, its backbone "
            f"{backbone or '(none)'} not counted. Looked for Linear layers that expand (d -> m) and contract again."
        )
    return tuple(Block(name, tuple(found)) for name, found in linears.items())


@torch.no_grad()
def find_detection_head(module: nn.Module, classes: int, found: Sequence[Block], pixels: Tensor) -> FoundHead:
    """The last matrix outside the blocks whose output is the very logits that the module returns.

    Args:
        module: The detector.
        classes: How many classes it has.
        found: Its blocks.
        pixels: An image to try, (1, 3, h, w).

    Raises:
        HeadError: There is none, so an edit of its rows would not mean what it says.
    """
    insides = tuple(f"{block.name}." for block in found)
    matrices = {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear) and not name.startswith(insides) and part.out_features in (classes, classes + 1)
    }
    with ExitStack() as stack:
        heard = {name: stack.enter_context(_forwards.watched(part)) for name, part in matrices.items()}
        logits = getattr(module(pixels), "logits", None)
    makers = [name for name, calls in heard.items() if logits is not None and made(calls, logits) is not None]
    if not makers:
        raise HeadError(
            f"Expected {type(module).__name__} to have a Linear layer that makes its logits, with one row a class, "
            f"{classes} in all, or one more for no object; found {', '.join(heard) or 'none of that size'}. "
            "Check the list of classes."
        )
    rows = matrices[makers[-1]].out_features
    return FoundHead(makers[-1], "softmax" if rows == classes + 1 else "sigmoid")


def made(calls: Sequence[tuple[Tensor, Any]], logits: Tensor) -> Tensor | None:
    """Input of a layer when it made the logits; None if in no call it made them."""
    return next((given for given, result in reversed(calls) if _same(result, logits)), None)


def _same(result: Any, logits: Tensor) -> bool:
    return result is logits or (result.shape == logits.shape and torch.equal(result.to(logits.dtype), logits))
