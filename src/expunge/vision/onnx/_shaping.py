"""Operators that bring numbers into another shape or order."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from expunge.errors import OnnxFileError
from expunge.vision.onnx._settings import Settings, fits

TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}
"""ONNX's number of a type -> torch's name."""


def axes_of(a: Settings, axes: Tensor | None) -> tuple[int, ...] | None:
    """The axes that a node names: an input since set 13 or 18, a setting before."""
    return tuple(ints(axes)) if axes is not None else None if a.get("axes", None) is None else tuple(a.get("axes", ()))


def ints(values: Tensor) -> list[int]:
    """The numbers of a list of integers."""
    return [int(value) for value in values.reshape(-1).tolist()]


def _cast(a: Settings, x: Tensor) -> Tensor:
    if a.get("to", 1) not in TYPES:
        raise OnnxFileError(f"the node {a.node!r} casts to type {a.get('to', 1)}; expected float32 or whole numbers")
    return x.to(TYPES[a.get("to", 1)])


def _shape(a: Settings, x: Tensor) -> Tensor:
    start, end = a.get("start", 0), a.get("end", None)
    return torch.tensor(list(x.shape[start:end]), dtype=torch.int64, device=x.device)


def _reshape(a: Settings, x: Tensor, shape: Tensor) -> Tensor:
    wanted = ints(shape)
    if not a.get("allowzero", 0):
        wanted = [x.shape[i] if side == 0 else side for i, side in enumerate(wanted)]
    return x.reshape(wanted)


def _flatten(a: Settings, x: Tensor) -> Tensor:
    axis = a.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _squeeze(a: Settings, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = axes_of(a, axes)
    if chosen is None:
        return x.squeeze()
    if any(x.shape[axis] != 1 for axis in chosen):
        raise ValueError(f"axes {chosen} of shape {tuple(x.shape)} are not all 1")
    return x.squeeze(chosen)


def _unsqueeze(a: Settings, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = axes_of(a, axes) or ()
    for axis in sorted(axis % (x.ndim + len(chosen)) for axis in chosen):
        x = x.unsqueeze(axis)
    return x


def _concat(a: Settings, *inputs: Tensor) -> Tensor:
    return torch.cat(inputs, a.get("axis", 1))


def _split(a: Settings, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = a.get("axis", 0)
    told = ints(sizes) if sizes is not None else a.get("split", None)
    if told is None:
        parts = a.get("num_outputs", a.get("outputs", 1))
        told = [len(part) for part in torch.arange(x.shape[axis]).split(-(-x.shape[axis] // parts))]
    return tuple(x.split(told, axis))


def _slice(
    a: Settings,
    x: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    first = ints(starts) if starts is not None else list(a.get("starts", ()))
    last = ints(ends) if ends is not None else list(a.get("ends", ()))
    chosen = axes_of(a, axes) or tuple(range(len(first)))
    strides = ints(steps) if steps is not None else [1] * len(first)
    for axis, start, end, stride in zip(chosen, first, last, strides, strict=True):
        if stride == 0:
            raise ValueError("a step of 0")
        if stride > 0:
            picked = slice(start, end, stride)
            x = x[(slice(None),) * (axis % x.ndim) + (picked,)]
        else:
            picked = slice(start, None if end < -x.shape[axis] else end, stride)
            rows = range(x.shape[axis])[picked]
            x = x.index_select(axis, torch.tensor(list(rows), dtype=torch.int64, device=x.device))
    return x


def _gather(a: Settings, x: Tensor, indices: Tensor) -> Tensor:
    axis = a.get("axis", 0) % x.ndim
    fits(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    indices = indices.long()
    flat = torch.where(indices < 0, indices + x.shape[axis], indices).reshape(-1)
    return x.index_select(axis, flat).reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _gather_elements(a: Settings, x: Tensor, indices: Tensor) -> Tensor:
    axis, indices = a.get("axis", 0), indices.long()
    return x.gather(axis, torch.where(indices < 0, indices + x.shape[axis], indices))


def _expand(a: Settings, x: Tensor, shape: Tensor) -> Tensor:
    wanted = torch.broadcast_shapes(x.shape, tuple(ints(shape)))
    fits(*wanted)
    return x.expand(wanted)


def _tile(a: Settings, x: Tensor, repeats: Tensor) -> Tensor:
    times = ints(repeats)
    fits(*(side * n for side, n in zip(x.shape, times, strict=True)))
    return x.repeat(times)


def _transpose(a: Settings, x: Tensor) -> Tensor:
    return x.permute(a.get("perm", tuple(reversed(range(x.ndim)))))


def _pad(
    a: Settings, x: Tensor, pads: Tensor | None = None, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    sides = ints(pads) if pads is not None else list(a.get("pads", ()))
    chosen = [axis % x.ndim for axis in ints(axes)] if axes is not None else list(range(x.ndim))
    before, after = dict(zip(chosen, sides, strict=False)), dict(zip(chosen, sides[len(chosen) :], strict=True))
    fits(*(side + before.get(i, 0) + after.get(i, 0) for i, side in enumerate(x.shape)))
    order = [side for i in reversed(range(x.ndim)) for side in (before.get(i, 0), after.get(i, 0))]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[a.get("mode", "constant")]
    if mode == "constant":
        return functional.pad(x, order, value=a.get("value", 0.0) if value is None else value.item())
    while order[-2:] == [0, 0]:  # torch mirrors the last axes only, and only as many as it is told
        order = order[:-2]
    return functional.pad(x, order, mode=mode) if order else x


def _constant_of_shape(a: Settings, shape: Tensor) -> Tensor:
    sides = ints(shape)
    fits(*sides)
    value = a.get("value", None)
    filled = torch.zeros(1) if value is None else value
    return filled.to(shape.device).reshape(()).expand(sides).clone()


def _range(a: Settings, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    first, last, step = start.item(), limit.item(), delta.item()
    fits(max(0, math.ceil((last - first) / step)))
    return (
        torch.arange(first, last, step, dtype=start.dtype, device=start.device)
        if (last - first) / step > 0
        else start.new_zeros(0)
    )


def _depth_to_space(a: Settings, x: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    side, inner = a.get("blocksize", 1), channels // a.get("blocksize", 1) ** 2
    if a.get("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(x, side)
    parted = x.reshape(n, side, side, inner, height, width).permute(0, 3, 4, 1, 5, 2)
    return parted.reshape(n, inner, height * side, width * side)


def _space_to_depth(a: Settings, x: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    side = a.get("blocksize", 1)
    parted = x.reshape(n, channels, height // side, side, width // side, side).permute(0, 3, 5, 1, 2, 4)
    return parted.reshape(n, channels * side * side, height // side, width // side)


def _trilu(a: Settings, x: Tensor, k: Tensor | None = None) -> Tensor:
    diagonal = 0 if k is None else int(k.item())
    return x.triu(diagonal) if a.get("upper", 1) else x.tril(diagonal)


SHAPING: dict[str, Callable[..., Any]] = {
    "Cast": _cast,
    "Shape": _shape,
    "Size": lambda a, x: torch.tensor(x.numel(), device=x.device),
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Expand": _expand,
    "Tile": _tile,
    "Transpose": _transpose,
    "Pad": _pad,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Trilu": _trilu,
}
