"""`Layer`: a Linear layer or a convolution, seen as one matrix from inputs to channels.

A Linear layer multiplies every token by its weight (d, m). A convolution does the same with windows: the values under
its kernel, of all channels it reads, laid out as one row of m = in · k · k numbers, times its weight (d, in, k, k) read
as (d, m). So whatever is solved, projected or factorised for one is for the other, and only `inputs` differs.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from expunge.errors import ModelError

Positions = Int[Tensor, "n k"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a model, looked up at this moment.

    Attributes:
        name: Qualified name.
        module: The layer itself.
    """

    name: str
    module: nn.Linear | nn.Conv2d

    @property
    def weight(self) -> Tensor:
        """The parameter, (d, m) or (d, in, k, k)."""
        return self.module.weight

    @property
    def matrix(self) -> Float[Tensor, "d m"]:
        """The weight as a matrix; a view, so what is written to it is written to the layer."""
        return self.module.weight.flatten(1)

    @property
    def width(self) -> int:
        """Channels that it writes."""
        return self.module.weight.shape[0]

    @property
    def fan_in(self) -> int:
        """Columns of the matrix: inputs that a channel is made from."""
        return self.module.weight[0].numel()

    @property
    def groups(self) -> int:
        """Parts of the channels that read channels of their own; 1 where all read all."""
        return self.module.groups if isinstance(self.module, nn.Conv2d) else 1

    def inputs(self, x: Tensor, n: int, at: Positions | None = None) -> Float[Tensor, "n t m"]:
        """What the matrix is multiplied with, a row for each position that the layer writes to.

        Args:
            x: What enters the layer: tokens, windows of images as in Swin, or maps with channels first.
            n: Number of images.
            at: (n, k) the positions wanted of each image; all by default.

        Returns:
            (n, t, m), of which channel c is made by row c of the matrix; with g groups (n, t, g · m), group by group.
        """
        if isinstance(self.module, nn.Linear):
            return chosen(by_position(x, n, self.module.in_features), at)
        return _windows(self.module, x, at)

    def apply(self, rows: Float[Tensor, "n t m"]) -> Float[Tensor, "n t d"]:
        """What the layer makes of its inputs, each group of channels of its own part of them."""
        parts = zip(rows.chunk(self.groups, dim=-1), self.matrix.chunk(self.groups), strict=True)
        written = torch.cat([part @ matrix.T for part, matrix in parts], dim=-1)
        return written if self.module.bias is None else written + self.module.bias

    def outputs(self, y: Tensor, n: int, at: Positions | None = None) -> Float[Tensor, "n t d"]:
        """What the layer writes, or what it is added to: one row of its channels for each position."""
        maps = isinstance(self.module, nn.Conv2d) and y.ndim == 4
        return chosen(y.flatten(2).transpose(1, 2) if maps else by_position(y, n, self.width), at)


def find_layer(module: nn.Module, name: str, model: str) -> Layer:
    """The layer of that name.

    Args:
        module: Holds it.
        name: Its qualified name.
        model: What the model is called in messages.

    Raises:
        ModelError: There is none, or it is neither a Linear layer nor a convolution of maps that mixes channels.
    """
    try:
        found = module.get_submodule(name)
    except AttributeError as error:
        raise ModelError(f"Expected a Linear or Conv2d layer at {name!r} in {model}; {error}.") from error
    if not isinstance(found, nn.Linear | nn.Conv2d):
        raise ModelError(f"Expected a Linear or Conv2d layer at {name!r} in {model}; it is {type(found).__name__}.")
    if is_depthwise(found):
        raise ModelError(
            f"{name!r} in {model} is a depthwise convolution: each channel reads itself alone, so no matrix leads from "
            "inputs to channels. Name the convolution next to it that mixes channels."
        )
    return Layer(name, found)


def mixes(module: nn.Module) -> bool:
    """Whether a layer makes each channel from all channels it is given, so that it is one matrix."""
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)


def is_depthwise(module: nn.Module) -> bool:
    """Whether each channel is made from one channel alone."""
    return isinstance(module, nn.Conv2d) and module.groups > 1 and module.groups == module.in_channels


def by_position(x: Tensor, n: int, width: int) -> Float[Tensor, "n t width"]:
    """Brings tokens, or maps with channels first or last, into one form."""
    last = x if x.shape[-1] == width else x.movedim(1, -1)
    return last.reshape(n, -1, width)


def chosen(values: Float[Tensor, "n t d"], at: Positions | None) -> Float[Tensor, "n k d"]:
    """The values at some positions of each image; all where none are named."""
    return values if at is None else values.gather(1, at[..., None].expand(-1, -1, values.shape[-1]))


def _windows(conv: nn.Conv2d, x: Float[Tensor, "n ch h w"], at: Positions | None) -> Float[Tensor, "n t m"]:
    """The values under the kernel, in the order of the weight's own entries, at the positions of the output.

    Only the positions that are asked for are unfolded: all of them would fill k · k times the memory of the map.
    """
    padded = _pad(conv, x)
    (high, wide), (down, right), (apart_y, apart_x) = conv.kernel_size, conv.stride, conv.dilation
    height, width = padded.shape[-2:]
    rows, columns = ((height - apart_y * (high - 1) - 1) // down + 1), ((width - apart_x * (wide - 1) - 1) // right + 1)
    if at is None:
        at = torch.arange(rows * columns, device=x.device).expand(len(x), -1)
    corner = at // columns * down * width + at % columns * right
    ys, xs = (torch.arange(size, device=x.device) for size in (high, wide))
    under = (ys[:, None] * apart_y * width + xs * apart_x).flatten()
    index = (corner[..., None] + under).flatten(1)[:, None].expand(-1, padded.shape[1], -1)
    values = padded.flatten(2).gather(2, index).unflatten(2, (at.shape[1], -1))
    return values.transpose(1, 2).flatten(2)


def _pad(conv: nn.Conv2d, x: Float[Tensor, "n ch h w"]) -> Float[Tensor, "n ch hp wp"]:
    """The map with the border that the convolution adds itself."""
    if conv.padding == "valid":
        return x
    if conv.padding == "same":
        totals = [apart * (size - 1) for size, apart in zip(conv.kernel_size, conv.dilation, strict=True)]
        sides = [(total // 2, total - total // 2) for total in totals]
    else:
        sides = [(int(side), int(side)) for side in conv.padding]
    (top, bottom), (left, right) = sides
    mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
    return functional.pad(x, (left, right, top, bottom), mode=mode)
