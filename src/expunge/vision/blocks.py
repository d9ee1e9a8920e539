"""Finding a model's blocks and their feed-forward networks (FFN) by structure, never by name.

An FFN widens its input and narrows it again. Its Linear layers stand next to each other in registration
order, in one of three forms, where `d` is the width of the block and the inner widths are larger:

* plain: d -> m, then m -> d;
* gated: two layers d -> m, then m -> d;
* gated, fused: one layer d -> 2m, then m -> d.

Three layers d -> m before m -> d are an attention's q, k, v and o, and no FFN.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from torch import nn

from expunge.errors import NoBlocksError
from expunge.values import Block


def find_blocks(module: nn.Module) -> tuple[Block, ...]:
    """Finds the repeated blocks of a model and the Linear layers of their FFNs.

    A block is the nearest member of a `ModuleList` or `Sequential` around an FFN. Blocks repeat: at least two
    of one class, though each may stand alone in its list, as in a stage of a hierarchical model.

    Args:
        module: Any model.

    Returns:
        The blocks in registration order.

    Raises:
        NoBlocksError: Nothing repeats; the message says what was looked for and what was found.
    """
    modules = dict(module.named_modules())
    ffns = find_ffns(modules)
    linears: dict[str, list[str]] = {}
    for ffn in ffns:
        owner = _owner(ffn, modules)
        if owner is not None:
            linears.setdefault(owner, []).extend(ffn)
    members = Counter(type(modules[name]) for name in linears)
    blocks = tuple(Block(name, tuple(found)) for name, found in linears.items() if members[type(modules[name])] >= 2)
    if not blocks:
        raise NoBlocksError(_nothing_found(module, modules, len(ffns)))
    return blocks


def check_blocks(module: nn.Module, blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Makes sure that blocks named by hand are in a module.

    Raises:
        NoBlocksError: There are none, or a block or one of its Linear layers is missing.
    """
    names = {name for name, _ in module.named_modules()}
    missing = [name for block in blocks for name in (block.name, *block.linears) if name not in names]
    if missing or not blocks:
        raise NoBlocksError(
            f"Expected at least one block, and all of them in {type(module).__name__}; "
            f"not there: {', '.join(missing) or 'any block'}."
        )
    return tuple(blocks)


def find_ffns(modules: Mapping[str, nn.Module]) -> list[tuple[str, ...]]:
    """Names of the Linear layers of each FFN, the contracting one last."""
    layers = [(name, layer) for name, layer in modules.items() if isinstance(layer, nn.Linear)]
    shapes = [(layer.in_features, layer.out_features) for _, layer in layers]
    names = [name for name, _ in layers]
    ffns = []
    for last, (inner, width) in enumerate(shapes):
        count = _expanding_before(shapes[:last], inner, width) if inner > width else 0
        if count:
            ffns.append(tuple(names[last - count : last + 1]))
    return ffns


def _expanding_before(shapes: list[tuple[int, int]], inner: int, width: int) -> int:
    """Number of the last layers that expand for an FFN's layer `inner` -> `width`; 0 where it is no FFN's."""
    if shapes and shapes[-1] == (width, 2 * inner):
        return 1
    run = 0
    while run < len(shapes) and shapes[-1 - run] == (width, inner):
        run += 1
    return run if run <= 2 else 0


def _owner(ffn: tuple[str, ...], modules: Mapping[str, nn.Module]) -> str | None:
    """Name of the nearest callable member of a list or sequence that holds the whole FFN.

    An FFN that is itself written as a Sequential is not yet the block, unless nothing around it is.
    """
    path = _common([name.split(".")[:-1] for name in ffn])
    around = [".".join(path[:length]) for length in range(len(path), 0, -1)]
    members = [
        name
        for name in around
        if isinstance(modules[name.rpartition(".")[0]], nn.ModuleList | nn.Sequential)
        and not isinstance(modules[name], nn.ModuleList)
    ]
    if len(members) > 1 and members[0] == around[0] and isinstance(modules[members[0]], nn.Sequential):
        return members[1]
    return members[0] if members else None


def _common(paths: list[list[str]]) -> list[str]:
    """The parts that all paths begin with."""
    parts = []
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        parts.append(level[0])
    return parts


def _nothing_found(module: nn.Module, modules: Mapping[str, nn.Module], ffns: int) -> str:
    linears = sum(isinstance(layer, nn.Linear) for layer in modules.values())
    containers = sum(isinstance(layer, nn.ModuleList | nn.Sequential) for layer in modules.values())
    return (
        f"No repeated block with a feed-forward network was recognised in {type(module).__name__}. "
        "Looked for Linear layers that expand (d -> m) and contract again (m -> d), in at least two members "
        f"of one class of a ModuleList or Sequential; found {_count(linears, 'Linear layer')}, "
        f"{_count(ffns, 'such network')} and {_count(containers, 'ModuleList or Sequential', '')}. "
        "Name the blocks yourself with `blocks=`, or use the method head-mask, which works on any classifier."
    )


def _count(number: int, what: str, plural: str = "s") -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}{plural}"
