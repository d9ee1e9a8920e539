"""What enters the layers of a model when it looks at images, as statistics whose size is bounded.

The closed-form methods edit a layer by what its inputs look like. Inputs of all tokens of all images would fill
any memory; second moments and one row an image do not.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.data import Images
from expunge.vision import ActivationCache, VisionModel, mixes


@torch.no_grad()
def second_moments(
    cache: ActivationCache, images: Images, names: Sequence[str]
) -> dict[str, Float[Tensor, "inputs inputs"]]:
    """The mean of x xᵀ over all tokens or windows x of all images that enter each layer, not centred.

    Args:
        cache: The model and its cached hidden states.
        images: The images, at least one.
        names: Qualified names of layers in blocks from `cache.entry` on.

    Returns:
        Name -> moments in float64 on the CPU. A layer that the model reads without calling it, as torch's own
        attention does with its output projection, is absent.
    """
    sums: dict[str, Tensor] = {}
    tokens: defaultdict[str, int] = defaultdict(int)

    def add(name: str, x: Tensor) -> None:
        rows = cache.model.layer(name).inputs(x, len(x)).flatten(0, 1).float()
        product = (rows.T @ rows).cpu().to(torch.float64)
        sums[name] = sums[name] + product if name in sums else product
        tokens[name] += len(rows)

    _warm_up(cache, images)
    with _inputs(cache.model, names, add):
        cache.outputs(images)
    return {name: total / tokens[name] for name, total in sums.items()}


@torch.no_grad()
def image_inputs(
    cache: ActivationCache, images: Images, names: Sequence[str], *, class_token: bool
) -> dict[str, Float[Tensor, "n inputs"]]:
    """One row an image of what enters each layer: its class token, or the mean of its tokens.

    Args:
        cache: The model and its cached hidden states.
        images: The images, at least one.
        names: Qualified names of layers in blocks from `cache.entry` on.
        class_token: Whether the first token stands for the image; see `has_class_token`.

    Returns:
        Name -> rows in the order of the images, in float64 on the CPU. Layers that are never called are absent.
    """
    rows: defaultdict[str, list[Tensor]] = defaultdict(list)
    _warm_up(cache, images)
    for batch in cache.batches(images):
        heard: dict[str, Tensor] = {}

        def keep(name: str, x: Tensor, n: int = len(batch), heard: dict[str, Tensor] = heard) -> None:
            inputs = cache.model.layer(name).inputs(x, n)
            heard[name] = one_row_an_image(inputs, class_token=class_token).cpu().to(torch.float64)

        with _inputs(cache.model, names, keep):
            cache.output(images, batch)
        for name, part in heard.items():
            rows[name].append(part)
    return {name: torch.cat(parts) for name, parts in rows.items()}


def one_row_an_image(tokens: Float[Tensor, "n t width"], *, class_token: bool) -> Float[Tensor, "n width"]:
    """Sums up what layers hold of images as one row each: the first token, or the mean of all."""
    return tokens[:, 0].float() if class_token else tokens.float().mean(dim=1)


def has_class_token(model: VisionModel) -> bool:
    """Whether the first token of an image is a learned one that gathers what the head reads.

    Recognised by structure: a parameter of shape (1, 1, width) outside the blocks.
    """
    width = model.layer(model.blocks[0].linears[0]).weight.shape[1]
    insides = tuple(f"{block.name}." for block in model.blocks)
    return any(
        parameter.shape == (1, 1, width)
        for name, parameter in model.module.named_parameters()
        if not name.startswith(insides)
    )


def block_linears(model: VisionModel, first: int) -> tuple[str, ...]:
    """Qualified names of all layers that are one matrix in the blocks from index `first` on.

    Linear layers of attention and FFN; convolutions but those whose channels do not read all others.
    """
    insides = tuple(f"{block.name}." for block in model.blocks[first:])
    return tuple(
        name for name, layer in model.module.named_modules() if mixes(layer) and f"{name}.".startswith(insides)
    )


def _warm_up(cache: ActivationCache, images: Images) -> None:
    """Runs one image unheard: the first time a model goes on from a block, it runs an image of its own making."""
    cache.output(images, [0])


@contextmanager
def _inputs(model: VisionModel, names: Sequence[str], hear: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Calls `hear` with the name and the input of each call of the named layers.

    Hooks, because torch's fused encoder layer would not call its Linear layers at all without them.
    """

    def listen(name: str) -> Callable[[nn.Module, tuple[Any, ...], Mapping[str, Any]], None]:
        return lambda module, args, kwargs: hear(name, args[0] if args else next(iter(kwargs.values())))

    with ExitStack() as stack:
        for name in names:
            handle = model.layer(name).module.register_forward_pre_hook(listen(name), with_kwargs=True)
            stack.callback(handle.remove)
        yield
