"""Where the closed form writes: the last Linear layer of each FFN, whose output joins the residual stream."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.vision import VisionModel, Wrapped

STEP = 0.1
"""Size of the change by which the gain is measured, against residual streams of about 1 to 100."""

ROUNDING = 1e-2
"""Part of the mean gain by which it may differ between positions before it counts as more than rounding."""

DEAF = 1e-3
"""A channel whose gain is below this part of the greatest is left alone: what is written to it hardly arrives."""


@dataclass(frozen=True, slots=True)
class Site:
    """One place.

    Attributes:
        block: Index of the block.
        linear: Qualified name of its FFN's last Linear layer.
    """

    block: int
    linear: str


@dataclass(frozen=True, eq=False)
class Seen:
    """What a batch of n images is at a site.

    Attributes:
        inputs: (n, t, m) what enters the Linear layer, at each of t positions.
        outputs: (n, t, d) the residual stream after the block.
        following: What enters the next block; nothing after the last.
    """

    inputs: Float[Tensor, "n t m"]
    outputs: Float[Tensor, "n t d"]
    following: Tensor | None


def find_sites(model: Wrapped, first: int) -> tuple[Site, ...]:
    """The sites of the blocks from `first` on, lowest first."""
    return tuple(Site(i, model.blocks[i].linears[-1]) for i in range(first, len(model.blocks)))


def look(model: VisionModel, site: Site, hidden: Float[Tensor, "n *hidden"]) -> Seen:
    """Runs the site's block on the hidden states that enter it."""
    linear = model.linear(site.linear)
    inputs: list[Tensor] = []
    handle = linear.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    try:
        with heard(model, [site]) as outputs:
            following = step(model, site, hidden)
    finally:
        handle.remove()
    n, width = len(hidden), linear.out_features
    return Seen(by_position(inputs[-1], n, linear.in_features), by_position(outputs[site], n, width), following)


@contextmanager
def heard(model: VisionModel, sites: Sequence[Site]) -> Iterator[Mapping[Site, Tensor]]:
    """Gathers what the blocks of some sites return at their last call.

    Forward hooks, because torch's fused encoder layer would not call its Linear layers at all without one.
    """
    outputs: dict[Site, Tensor] = {}
    with ExitStack() as hooks:
        for site in sites:
            block = model.module.get_submodule(model.blocks[site.block].name)
            handle = block.register_forward_hook(
                lambda module, given, result, site=site: outputs.update({site: _hidden(result)})
            )
            hooks.callback(handle.remove)
        yield outputs


def step(model: VisionModel, site: Site, hidden: Float[Tensor, "n *hidden"]) -> Tensor | None:
    """What enters the next block; nothing after the last."""
    if site.block + 1 < len(model.blocks):
        return model.advance(hidden, site.block)
    model.resume(hidden, site.block)
    return None


def by_position(x: Tensor, n: int, width: int) -> Float[Tensor, "n t width"]:
    """Brings tokens, or maps with channels first or last, into one form."""
    last = x if x.shape[-1] == width else x.movedim(1, -1)
    return last.reshape(n, -1, width)


@dataclass(frozen=True, eq=False)
class Gain:
    """How much of what a site's Linear layer writes arrives in the residual stream, channel by channel.

    Attributes:
        values: (d,) one where the block adds the layer's output as it is; the scale where it has one (LayerScale,
            Touvron et al., arXiv 2103.17239, as in DINOv2 and ConvNeXt); a mean over images where a norm comes between.
        exact: Whether nothing but such a scale lies between.
    """

    values: Float[Tensor, " d"]
    exact: bool

    def inverse(self) -> Float[Tensor, " d"]:
        """What turns a change of the residual stream into one of the layer's output; 0 where that would be in vain."""
        heard = self.values.abs() > DEAF * self.values.abs().max()
        return torch.where(heard, 1 / torch.where(heard, self.values, 1.0), 0.0)


def gain(model: VisionModel, site: Site, hidden: Float[Tensor, "n *hidden"]) -> Gain:
    """The gain of a site, measured on the hidden states that enter its block."""
    return measured_gain(model.linear(site.linear), lambda: look(model, site, hidden).outputs)


@torch.no_grad()
def measured_gain(linear: nn.Linear, outputs: Callable[[], Float[Tensor, "n t d"]]) -> Gain:
    """Measures a gain by a small change of random sign in every channel, so that nothing is assumed of the block.

    Args:
        linear: The layer that writes to the residual stream.
        outputs: Runs the model, and gives the residual stream after the layer's block.
    """
    before = outputs()
    signs = torch.randint(0, 2, (linear.out_features,), generator=torch.Generator().manual_seed(0)).to(before) * 2 - 1
    nudge = STEP * signs

    def nudged(module: nn.Module, given: object, result: Tensor) -> Tensor:
        return result + nudge

    handle = linear.register_forward_hook(nudged)
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
