"""ONNX's operators as functions of torch: a table for what classifiers use.

Each function takes the node's settings and its inputs, `None` where one is left out, and gives one tensor or several.
Meanings are those of https://onnx.ai/onnx/operators, of every operator set from 9 on; where they changed, the settings
say which set it is. What is not in the table is refused, and so is a result that would fill the memory.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from expunge.errors import OnnxFileError
from expunge.vision.onnx._network import NETWORK
from expunge.vision.onnx._settings import Settings, fits
from expunge.vision.onnx._shaping import SHAPING, axes_of

Operator = Callable[..., Any]


def _apart(operation: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """An operation of two tensors whose shapes are brought together."""

    def run(a: Settings, x: Tensor, y: Tensor) -> Tensor:
        fits(*torch.broadcast_shapes(x.shape, y.shape))
        return operation(x, y)

    return run


def _all(operation: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """An operation of two tensors, over any number of them."""

    def run(a: Settings, *inputs: Tensor) -> Tensor:
        total = inputs[0]
        for one in inputs[1:]:
            fits(*torch.broadcast_shapes(total.shape, one.shape))
            total = operation(total, one)
        return total

    return run


def _divide(x: Tensor, y: Tensor) -> Tensor:
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def _clip(a: Settings, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    lowest, highest = a.get("min", None), a.get("max", None)  # settings before set 11, inputs since
    lowest = low.item() if low is not None else lowest
    highest = high.item() if high is not None else highest
    return x if lowest is highest is None else x.clamp(lowest, highest)


def _reduced(operation: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Operator:
    def run(a: Settings, x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = axes_of(a, axes)
        if chosen is None or not chosen:
            if a.get("noop_with_empty_axes", 0):
                return x
            chosen = tuple(range(x.ndim))
        return operation(x, tuple(axis % x.ndim for axis in chosen), bool(a.get("keepdims", 1)))

    return run


def _product(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _most(pick: Callable[..., Tensor]) -> Operator:
    return lambda a, x: pick(x, dim=a.get("axis", 0), keepdim=bool(a.get("keepdims", 1)))


def _where(a: Settings, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    fits(*torch.broadcast_shapes(condition.shape, x.shape, y.shape))
    return torch.where(condition, x, y)


def _prelu(a: Settings, x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x >= 0, x, x * slope)


def _gelu(a: Settings, x: Tensor) -> Tensor:
    return functional.gelu(x, approximate=a.get("approximate", "none"))


def _plain(operation: Callable[[Tensor], Tensor]) -> Operator:
    return lambda a, x: operation(x)


_ELEMENTWISE: dict[str, Operator] = {
    "Identity": _plain(lambda x: x),
    "Dropout": lambda a, x, *unused: x,
    "Relu": _plain(torch.relu),
    "LeakyRelu": lambda a, x: functional.leaky_relu(x, a.get("alpha", 0.01)),
    "PRelu": _prelu,
    "Elu": lambda a, x: functional.elu(x, a.get("alpha", 1.0)),
    "Celu": lambda a, x: functional.celu(x, a.get("alpha", 1.0)),
    "Sigmoid": _plain(torch.sigmoid),
    "HardSigmoid": lambda a, x: (a.get("alpha", 0.2) * x + a.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": _plain(functional.hardswish),
    "Swish": lambda a, x: x * torch.sigmoid(a.get("alpha", 1.0) * x),
    "Mish": _plain(functional.mish),
    "Gelu": _gelu,
    "Softplus": _plain(lambda x: torch.logaddexp(x, torch.zeros_like(x))),
    "Softsign": _plain(functional.softsign),
    "Tanh": _plain(torch.tanh),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Log": _plain(torch.log),
    "Sqrt": _plain(torch.sqrt),
    "Reciprocal": _plain(torch.reciprocal),
    "Neg": _plain(torch.neg),
    "Abs": _plain(torch.abs),
    "Sign": _plain(torch.sign),
    "Floor": _plain(torch.floor),
    "Ceil": _plain(torch.ceil),
    "Round": _plain(torch.round),
    "Sin": _plain(torch.sin),
    "Cos": _plain(torch.cos),
    "Not": _plain(torch.logical_not),
    "Clip": _clip,
    "Add": _apart(torch.add),
    "Sub": _apart(torch.sub),
    "Mul": _apart(torch.mul),
    "Div": _apart(_divide),
    "Mod": lambda a, x, y: torch.fmod(x, y) if a.get("fmod", 0) else torch.remainder(x, y),
    "Pow": _apart(lambda x, y: torch.pow(x, y).to(x.dtype)),
    "And": _apart(torch.logical_and),
    "Or": _apart(torch.logical_or),
    "Equal": _apart(torch.eq),
    "Less": _apart(torch.lt),
    "LessOrEqual": _apart(torch.le),
    "Greater": _apart(torch.gt),
    "GreaterOrEqual": _apart(torch.ge),
    "Where": _where,
    "Min": _all(torch.minimum),
    "Max": _all(torch.maximum),
    "Sum": _all(torch.add),
    "Mean": lambda a, *inputs: _all(torch.add)(a, *inputs) / len(inputs),
}

_REDUCTIONS: dict[str, Operator] = {
    "ReduceMean": _reduced(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceSum": _reduced(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "ReduceMax": _reduced(lambda x, axes, keep: x.amax(axes, keepdim=keep)),
    "ReduceMin": _reduced(lambda x, axes, keep: x.amin(axes, keepdim=keep)),
    "ReduceProd": _reduced(_product),
    "ReduceL1": _reduced(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    "ReduceL2": _reduced(lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt()),
    "ReduceSumSquare": _reduced(lambda x, axes, keep: x.square().sum(axes, keepdim=keep)),
    "ReduceLogSumExp": _reduced(lambda x, axes, keep: x.logsumexp(axes, keepdim=keep)),
    "ArgMax": _most(torch.argmax),
    "ArgMin": _most(torch.argmin),
}

OPERATORS: Mapping[str, Operator] = {**_ELEMENTWISE, **_REDUCTIONS, **SHAPING, **NETWORK}
"""Operator -> its function."""

RAISED = (RuntimeError, ValueError, IndexError, TypeError, KeyError, OverflowError, ZeroDivisionError, AttributeError)
"""What torch raises where sizes, types or settings do not go together."""


def call(op: str, settings: Settings, inputs: list[Tensor | None]) -> tuple[Tensor, ...]:
    """Runs one operator.

    Raises:
        OnnxFileError: It cannot be run on these inputs.
    """
    try:
        result = OPERATORS[op](settings, *inputs)
    except OnnxFileError:
        raise
    except RAISED as error:
        reason = str(error).strip().partition("\n")[0]
        raise OnnxFileError(f"the node {settings.node or op!r} ({op}) cannot be run: {reason}") from error
    return (result,) if isinstance(result, Tensor) else tuple(result)
