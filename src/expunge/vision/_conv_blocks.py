"""Finding the blocks of a convolutional network by what its numbers do, never by name.

A block is a module that all numbers pass: what comes after it hangs on what it returns alone. Two kinds are taken:

* the smallest such modules around convolutions past which other numbers run, on a residual connection or side by side,
  and every module of the same class, with a residual connection or without;
* each convolution that all numbers pass by itself: all of a plain stack; elsewhere those above the first block of the
  other kind, such as the last one before pooling. What stands below it is the stem.

Convolutions that write a single position an image, as in squeeze-and-excitation or behind the pooling, are none of it,
nor are those whose channels do not read all others. The layer that writes to the stream is the one with most
convolutions behind it; the layers of a block are those that it hangs on, which a shortcut's is not.
"""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from expunge.errors import NoBlocksError
from expunge.values import Block
from expunge.vision._flow import Call, Flow, Node, behind, depths, follow, sources
from expunge.vision.layer import mixes

SMALL = 64
"""Networks divide the side of an image by 32 at the most."""


def find_conv_blocks(module: nn.Module, pixels: Tensor) -> tuple[Block, ...]:
    """Finds the blocks of a convolutional network, lowest first.

    Args:
        module: Any classifier of images, in eval mode and frozen.
        pixels: One image to try it with.

    Raises:
        NoBlocksError: There are fewer than two; the message says what was looked for and what was found. Or images of
            one batch change each other's answers.
    """
    refuse_batch_statistics(module)
    flow = _follow(module, pixels)
    convolutions = [call for call in flow.calls if _writes_a_map(call)]
    owners = {call.name: owner for call in convolutions if (owner := _owner(call, flow)) is not None}
    classes = {type(owner.module) for name, owner in owners.items() if name != owner.name}
    found = {call.name: call for one in convolutions for call in [_block(one, flow, classes)] if call is not None}
    chain = sorted(found.values(), key=lambda call: call.order)
    first = next((i for i, call in enumerate(chain) if type(call.module) in classes), 0)
    depth = depths(flow, nn.Conv2d)
    blocks = tuple(_described(call, flow, convolutions, depth) for call in chain[first:])
    if len(blocks) < 2:
        raise NoBlocksError(_too_few(module, convolutions, blocks))
    return blocks


def _follow(module: nn.Module, pixels: Tensor) -> Flow:
    """Runs a module on an image, enlarged where it is so small that upper maps might shrink to a single position."""
    if min(pixels.shape[2:]) < SMALL:
        try:
            return follow(module, functional.interpolate(pixels, scale_factor=4.0))
        except (RuntimeError, ValueError):
            pass  # not every model takes images of another size
    return follow(module, pixels)


def refuse_batch_statistics(module: nn.Module) -> None:
    """Stops where a batch norm takes mean and deviation from the batch.

    Raises:
        NoBlocksError: One does, in training mode or for want of running statistics.
    """
    norms = [(name, norm) for name, norm in module.named_modules() if isinstance(norm, _BatchNorm)]
    wrong = [name for name, norm in norms if norm.training or norm.running_mean is None]
    if wrong:
        raise NoBlocksError(
            f"Expected batch norms that use what they learned; {wrong[0]} of {type(module).__name__} takes mean and "
            "deviation from the batch, so images would change each other's answers. Put the model in eval mode, with "
            "track_running_stats=True, or use the method head-mask."
        )


def writes_maps(module: nn.Module, blocks: Sequence[Block]) -> bool:
    """Whether some block ends with a convolution."""
    return any(isinstance(module.get_submodule(one.linears[-1]), nn.Conv2d) for one in blocks if one.linears)


def _writes_a_map(call: Call) -> bool:
    return isinstance(call.module, nn.Conv2d) and mixes(call.module) and call.shape[2:].numel() > 1


def _around(call: Call, flow: Flow) -> Iterator[Call]:
    """A call and those around it that all numbers pass, smallest first."""
    links = {one.name: one for one in flow.calls if len(one.shape) == 4 and flow.is_link(one)}
    name = call.name
    while name:
        if name in links:
            yield links[name]
        name = name.rpartition(".")[0]


def _owner(call: Call, flow: Flow) -> Call | None:
    return next(_around(call, flow), None)


def _block(call: Call, flow: Flow, classes: set[type[nn.Module]]) -> Call | None:
    """The largest module of one of the classes around a convolution, or the convolution itself."""
    around = list(_around(call, flow))
    of_class = [one for one in around if type(one.module) in classes]
    return of_class[-1] if of_class else next((one for one in around if one is call), None)


def _described(block: Call, flow: Flow, convolutions: Sequence[Call], depth: Mapping[Node, int]) -> Block:
    """A block with its layers, the one that writes to the stream last, and where that stream is."""
    if block in convolutions:
        return Block(block.name, (block.name,))
    inside = [call for call in convolutions if call.name.startswith(f"{block.name}.")]
    site = max(inside, key=lambda call: (depth[call.made], call.order))
    sources = behind(site.made, block.given)
    layers = [call.name for call in inside if call.made in sources and call is not site]
    return Block(block.name, (*layers, site.name), _stream(block, site, flow))


def _stream(block: Call, site: Call, flow: Flow) -> str | None:
    """What is given to the activation that comes last, else what the block returns; if as wide as what is written."""
    inside = [call for call in flow.within(block) if call.is_leaf]
    ends = [call for call in inside if call.made is block.made and call.given is not block.made]
    if block.shape[1] != site.shape[1]:
        return site.name
    if ends:
        return None if _holds_numbers(ends[-1].module) else ends[-1].name
    return block.name if len(sources(block.made)) == 1 else None


def _holds_numbers(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None or next(module.buffers(), None) is not None


def _too_few(module: nn.Module, convolutions: Sequence[Call], blocks: Sequence[Block]) -> str:
    found = f"found {len(blocks)}" + (f", {blocks[0].name}" if blocks else "")
    return (
        f"Expected at least two blocks in {type(module).__name__}, modules with convolutions, or convolutions, that "
        f"all numbers pass one after the other; {found}, among {len(convolutions)} convolutions that mix channels and "
        "write maps. Perhaps a residual connection runs through the whole model: put its blocks into modules of their "
        "own, or name them with `blocks=`. The method head-mask works on any classifier."
    )
