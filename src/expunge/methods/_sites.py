"""Where the closed form writes: the layer of each block whose output joins the residual stream."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.errors import ModelError
from expunge.vision import Layer, Positions, VisionModel, Wrapped, before_last, chosen

STEP = 0.1
"""Size of the change by which the gain is measured, against residual streams of about 1 to 100."""

ROUNDING = 1e-2
"""Part of the mean gain by which it may differ between positions before it counts as more than rounding."""

CHECKED, SLACK = 16, 1e-3
"""Positions at which a convolution is checked against its matrix, and the part of its output by which it may differ."""

LEAST_SHARE_HEARD = 1e-3
"""A channel whose gain is below this part of the greatest is left alone: what is written to it hardly arrives."""


@dataclass(frozen=True, slots=True)
class Site:
    """One place.

    Attributes:
        block: Index of the block.
        layer: Qualified name of the layer that writes to the stream.
    """

    block: int
    layer: str


@dataclass(frozen=True, eq=False)
class Seen:
    """States of a batch of n images at a site.

    Attributes:
        inputs: (n, k, m) what the layer's matrix is multiplied with, at the positions asked for.
        outputs: (n, t, d) the residual stream after the block, at all positions.
        following: What enters the next block; nothing after the last.
    """

    inputs: Float[Tensor, "n k m"]
    outputs: Float[Tensor, "n t d"]
    following: Tensor | None


def find_sites(model: Wrapped, first: int) -> tuple[Site, ...]:
    """The sites of the blocks from `first` on, lowest first."""
    return tuple(Site(i, model.blocks[i].linears[-1]) for i in range(first, len(model.blocks)))


def look(model: VisionModel, site: Site, hidden: Float[Tensor, "n *hidden"], at: Positions | None = None) -> Seen:
    """Runs the site's block on the hidden states that enter it; inputs are read at some positions, or at all."""
    layer = model.layer(site.layer)
    inputs: list[Tensor] = []
    handle = layer.module.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    try:
        with heard(model, [site]) as outputs:
            following = step(model, site, hidden)
    finally:
        handle.remove()
    n = len(hidden)
    return Seen(layer.inputs(inputs[-1], n, at), layer.outputs(outputs[site], n), following)


@contextmanager
def heard(model: VisionModel, sites: Sequence[Site]) -> Iterator[Mapping[Site, Tensor]]:
    """Gathers the residual stream after the blocks of some sites at their last call.

    Forward hooks, because torch's fused encoder layer would not call its Linear layers at all without one.
    """
    outputs: dict[Site, Tensor] = {}

    def listen(site: Site) -> Callable[[], None]:
        block = model.blocks[site.block]
        maps = isinstance(model.layer(site.layer).module, nn.Conv2d)  # what comes next may write over what it is given

        def given(module: nn.Module, args: tuple[Any, ...]) -> Tensor:
            outputs[site] = args[0]
            return args[0].clone()

        def returned(module: nn.Module, args: object, result: object) -> Tensor | None:
            outputs[site] = _hidden(result)
            return outputs[site].clone() if maps else None

        if block.stream == block.name:
            return before_last(model.module.get_submodule(block.name), lambda stream: outputs.update({site: stream}))
        if block.stream in (None, site.layer):
            return model.module.get_submodule(block.stream or block.name).register_forward_hook(returned).remove
        return model.module.get_submodule(block.stream).register_forward_pre_hook(given).remove

    with ExitStack() as hooks:
        for site in sites:
            hooks.callback(listen(site))
        yield outputs


def step(model: VisionModel, site: Site, hidden: Float[Tensor, "n *hidden"]) -> Tensor | None:
    """Input of the next block; nothing after the last."""
    if site.block + 1 < len(model.blocks):
        return model.advance(hidden, site.block)
    model.resume(hidden, site.block)
    return None


@dataclass(frozen=True, eq=False)
class Gain:
    """How much of what a site's layer writes arrives in the residual stream, channel by channel.

    Attributes:
        values: (d,) one where the block adds the layer's output as it is; the scale where it has one (LayerScale,
            Touvron et al., arXiv 2103.17239, as in DINOv2 and ConvNeXt; a batch norm in eval mode, whose scale is its
            weight over the deviation it remembers); a mean over images where anything else comes between.
        exact: Whether nothing but such a scale lies between.
    """

    values: Float[Tensor, " d"]
    exact: bool

    def inverse(self) -> Float[Tensor, " d"]:
        """Factor from a change of the residual stream to one of the layer's output; 0 where that would be in vain."""
        heard = self.values.abs() > LEAST_SHARE_HEARD * self.values.abs().max()
        return torch.where(heard, 1 / torch.where(heard, self.values, 1.0), 0.0)


def gain(model: VisionModel, site: Site, hidden: Float[Tensor, "n *hidden"]) -> Gain:
    """The gain of a site, measured on the hidden states that enter its block.

    Raises:
        ModelError: The layer does more with its inputs than multiply them by its weight.
    """
    refuse_unread(model, site, hidden)
    return measured_gain(model.layer(site.layer), lambda: look(model, site, hidden).outputs)


@torch.no_grad()
def refuse_unread(model: VisionModel, site: Site, hidden: Float[Tensor, "n *hidden"]) -> None:
    """Stops where a convolution is not what its weight says: one that pads by itself, or scales its weight first.

    Raises:
        ModelError: Its output is not its matrix times its inputs.
    """
    layer = model.layer(site.layer)
    if not isinstance(layer.module, nn.Conv2d):
        return
    calls: list[tuple[Tensor, Tensor]] = []
    handle = layer.module.register_forward_hook(lambda module, given, result: calls.append((given[0], result.clone())))
    try:
        look(model, site, hidden)
    finally:
        handle.remove()
    x, y = calls[-1]
    outputs = layer.outputs(y, len(x))
    at = torch.linspace(0, outputs.shape[1] - 1, CHECKED, device=x.device).round().long().expand(len(x), -1)
    written = layer.apply(layer.inputs(x, len(x), at))
    if (written - chosen(outputs, at)).norm() > SLACK * outputs.norm():
        raise ModelError(
            f"{site.layer!r} of {model.name}, a {type(layer.module).__name__}, does not give its weight times what "
            "is under its kernel: perhaps it pads or scales its weight by itself. Name other blocks with `blocks=`, "
            "or use the method head-mask."
        )


@torch.no_grad()
def measured_gain(layer: Layer, outputs: Callable[[], Float[Tensor, "n t d"]]) -> Gain:
    """Measures a gain by a small change of random sign in every channel, so that nothing is assumed of the block.

    Args:
        layer: The layer that writes to the residual stream.
        outputs: Runs the model, and gives the residual stream after the layer's block.
    """
    before = outputs()
    signs = torch.randint(0, 2, (layer.width,), generator=torch.Generator().manual_seed(0)).to(before) * 2 - 1
    nudge = STEP * signs

    def nudged(module: nn.Module, given: object, result: Tensor) -> Tensor:
        return result + (nudge[:, None, None] if isinstance(module, nn.Conv2d) else nudge)

    handle = layer.module.register_forward_hook(nudged)
    try:
        slopes = (outputs() - before) / nudge
    finally:
        handle.remove()
    values = slopes.mean(dim=(0, 1))
    return Gain(values, bool((slopes - values).abs().mean() <= ROUNDING * values.abs().mean()))


def _hidden(result: object) -> Tensor:
    hidden = result[0] if isinstance(result, tuple) else result
    if not isinstance(hidden, Tensor):
        raise TypeError(f"expected a block to return a tensor, it returned {type(hidden).__name__}")
    return hidden
