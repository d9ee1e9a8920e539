"""Operators that a network is made of: convolutions, pools, norms, products."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from expunge.errors import OnnxFileError
from expunge.vision.onnx._settings import Settings, fits
from expunge.vision.onnx._shaping import ints


def pads_of(a: Settings, x: Tensor, kernel: Sequence[int]) -> tuple[int, int, int, int]:
    """How many rows and columns are put around a map: top, left, bottom, right."""
    strides, dilations = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
    auto = a.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID"):
        top, left, bottom, right = a.get("pads", [0, 0, 0, 0]) if auto == "NOTSET" else (0, 0, 0, 0)
    else:
        before, after = [], []
        for side, reach, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
            total = max(0, (-(-side // stride) - 1) * stride + dilation * (reach - 1) + 1 - side)
            small, large = total // 2, total - total // 2
            before.append(small if auto == "SAME_UPPER" else large)
            after.append(large if auto == "SAME_UPPER" else small)
        (top, left), (bottom, right) = before, after
    fits(*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right)
    return top, left, bottom, right


def padded(x: Tensor, pads: tuple[int, int, int, int], value: float = 0.0) -> Tensor:
    """A map with rows and columns around it."""
    top, left, bottom, right = pads
    return functional.pad(x, (left, right, top, bottom), value=value) if any(pads) else x


def _conv(a: Settings, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x = padded(x, pads_of(a, x, weight.shape[2:]))
    fits(len(x), len(weight), *(-(-side // stride) for side, stride in zip(x.shape[2:], _strides(a), strict=True)))
    return functional.conv2d(x, weight, bias, _strides(a), 0, a.get("dilations", [1, 1]), a.get("group", 1))


def _strides(a: Settings) -> list[int]:
    return a.get("strides", [1, 1])


def _conv_transpose(a: Settings, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if a.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in a.values:
        raise OnnxFileError(f"the node {a.node!r}, a ConvTranspose, leaves its padding open; expected `pads`")
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    strides = _strides(a)
    fits(
        len(x),
        weight.shape[1] * a.get("group", 1),
        *(side * stride for side, stride in zip(x.shape[2:], strides, strict=True)),
    )
    out = functional.conv_transpose2d(
        x, weight, bias, strides, 0, a.get("output_padding", [0, 0]), a.get("group", 1), a.get("dilations", [1, 1])
    )
    return out[..., top : out.shape[2] - bottom, left : out.shape[3] - right]


def _gemm(a: Settings, x: Tensor, y: Tensor, z: Tensor | None = None) -> Tensor:
    if x.ndim != 2 or y.ndim != 2:
        raise ValueError(f"expected two matrices, got {tuple(x.shape)} and {tuple(y.shape)}")
    x, y = x.T if a.get("transA", 0) else x, y.T if a.get("transB", 0) else y
    fits(len(x), y.shape[1])
    product = a.get("alpha", 1.0) * (x @ y)
    return product if z is None else product + a.get("beta", 1.0) * z


def _matmul(a: Settings, x: Tensor, y: Tensor) -> Tensor:
    fits(*torch.broadcast_shapes(x.shape[:-2], y.shape[:-2]), *x.shape[-2:-1], *(y.shape[-1:] if y.ndim > 1 else ()))
    return x @ y


def _batch_norm(a: Settings, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    if a.get("training_mode", 0):
        raise OnnxFileError(
            f"the node {a.node!r} normalises by the batch, as in training; export the model in eval mode"
        )
    return functional.batch_norm(x, mean, variance, scale, bias, eps=a.get("epsilon", 1e-5))


def _layer_norm(a: Settings, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    axis = a.get("axis", -1) % x.ndim
    return functional.layer_norm(x, x.shape[axis:], scale, bias, a.get("epsilon", 1e-5))


def _rms_norm(a: Settings, x: Tensor, scale: Tensor) -> Tensor:
    axis = a.get("axis", -1) % x.ndim
    return functional.rms_norm(x, list(x.shape[axis:]), scale, a.get("epsilon", 1e-5))


def _group_norm(a: Settings, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups = a.get("num_groups", 1)
    if a.opset < 21:  # one scale a group before
        scale, bias = (v.repeat_interleave(x.shape[1] // groups) for v in (scale, bias))
    return functional.group_norm(x, groups, scale, bias, a.get("epsilon", 1e-5))


def _softmax(over: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(a: Settings, x: Tensor) -> Tensor:
        if a.opset >= 13:
            return over(x, a.get("axis", -1))
        axis = a.get("axis", 1) % x.ndim  # before set 13, over all axes from this one on
        return over(x.flatten(axis), -1).reshape(x.shape)

    return run


def _max_pool(a: Settings, x: Tensor) -> Tensor:
    kernel = a.get("kernel_shape", [1, 1])
    x = padded(x, pads_of(a, x, kernel), float("-inf"))
    return functional.max_pool2d(x, kernel, _strides(a), 0, a.get("dilations", [1, 1]), bool(a.get("ceil_mode", 0)))


def _average_pool(a: Settings, x: Tensor) -> Tensor:
    kernel, strides, ceil = a.get("kernel_shape", [1, 1]), _strides(a), bool(a.get("ceil_mode", 0))
    pads = pads_of(a, x, kernel)
    total = functional.avg_pool2d(padded(x, pads), kernel, strides, 0, ceil, divisor_override=1)
    inside = padded(torch.ones_like(x[:1, :1]), pads, 1.0 if a.get("count_include_pad", 0) else 0.0)
    return total / functional.avg_pool2d(inside, kernel, strides, 0, ceil, divisor_override=1)


def _lrn(a: Settings, x: Tensor) -> Tensor:
    return functional.local_response_norm(
        x, a.get("size", 1), a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0)
    )


def _lp_norm(a: Settings, x: Tensor) -> Tensor:
    return x / x.norm(a.get("p", 2), a.get("axis", -1), keepdim=True)


def _einsum(a: Settings, *inputs: Tensor) -> Tensor:
    sides = {
        name: side
        for word, x in zip(a.get("equation", "").split("->")[0].split(","), inputs, strict=True)
        for name, side in zip(word.strip(), x.shape, strict=False)
    }
    fits(*(sides.get(name, 1) for name in a.get("equation", "").rpartition("->")[2].strip()))
    return torch.einsum(a.get("equation", ""), *inputs)


def _resize(a: Settings, x: Tensor, *inputs: Tensor | None) -> Tensor:
    """Maps enlarged or shrunk, in the ways that torch has, too."""
    if a.opset < 11:
        inputs = (None, *inputs)  # there was no region of interest
    told = [None if value is None or not value.numel() else value for value in (*inputs, None, None, None)]
    scales, sizes = told[1], told[2]
    if sizes is not None:
        target = ints(sizes)[-2:]
    elif scales is not None:
        target = [int(side * scale) for side, scale in zip(x.shape[2:], scales.tolist()[-2:], strict=True)]
    else:
        target = [int(side * scale) for side, scale in zip(x.shape[2:], a.get("scales", [])[-2:], strict=True)]
    fits(*x.shape[:2], *target)
    mode, default = a.get("mode", "nearest"), "half_pixel" if a.opset >= 11 else "asymmetric"
    way = a.get("coordinate_transformation_mode", default)
    if mode == "nearest" and (way == "asymmetric" or all(t % s == 0 for t, s in zip(target, x.shape[2:], strict=True))):
        return functional.interpolate(x, target, mode="nearest")
    if mode in ("linear", "cubic") and way in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        torchs = {"linear": "bilinear", "cubic": "bicubic"}[mode]
        return functional.interpolate(
            x, target, mode=torchs, align_corners=way == "align_corners", antialias=bool(a.get("antialias", 0))
        )
    raise OnnxFileError(f"the node {a.node!r} resizes by {mode} with {way}, which is not read here")


NETWORK: dict[str, Callable[..., Any]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": lambda a, x, w, b: functional.instance_norm(
        x, None, None, w, b, eps=a.get("epsilon", 1e-5)
    ),
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "GroupNormalization": _group_norm,
    "LpNormalization": _lp_norm,
    "LRN": _lrn,
    "Softmax": _softmax(torch.softmax),
    "LogSoftmax": _softmax(torch.log_softmax),
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda a, x: x.mean(tuple(range(2, x.ndim)), keepdim=True),
    "GlobalMaxPool": lambda a, x: x.amax(tuple(range(2, x.ndim)), keepdim=True),
    "Resize": _resize,
    "Upsample": _resize,
}
