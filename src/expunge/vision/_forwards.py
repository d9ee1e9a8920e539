"""Stopping, skipping and watching modules inside another module's forward pass.

All of it gives modules another `forward` for a while. Forward hooks would do, but a hook anywhere in an
`nn.TransformerEncoderLayer` switches off torch's fused path, and the numbers would differ in the last bits.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

Returns = int | None
"""Return type of a block: None for a tensor, else the length of a tuple with the hidden states first."""


@contextmanager
def replaced(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Gives modules another `forward` until the end of the context."""
    before = {module: vars(module).get("forward") for module in forwards}
    for module, forward in forwards.items():
        module.forward = forward
    try:
        yield
    finally:
        for module, forward in before.items():
            del module.forward
            if forward is not None:
                module.forward = forward


@contextmanager
def watched(*modules: nn.Module) -> Iterator[list[tuple[Tensor, Any]]]:
    """Collects the first argument and the result of every call of some modules, in the order of the calls."""
    calls: list[tuple[Tensor, Any]] = []

    def watch(forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            result = forward(*args, **kwargs)
            calls.append((_first(args, kwargs), result))
            return result

        return run

    with replaced({module: watch(module.forward) for module in modules}):
        yield calls


@contextmanager
def skipped(lower: Mapping[nn.Module, Returns], block: nn.Module, hidden: Tensor) -> Iterator[None]:
    """Lets `lower` modules pass on what they are given, and gives `hidden` to `block` as its input.

    A layer that is a block by itself is given it before its hooks are called, so that they hear the same.
    """

    def pass_on(returns: Returns) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            given = _first(args, kwargs)
            return given if returns is None else (given, *[None] * (returns - 1))

        return run

    forward = block.forward

    def instead(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return ((hidden, *args[1:]), {**kwargs}) if args else ((), {**kwargs, next(iter(kwargs)): hidden})

    def run(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = instead(args, kwargs)
        return forward(*args, **kwargs)

    passing = {module: pass_on(returns) for module, returns in lower.items()}
    if next(block.children(), None) is not None:
        with replaced({**passing, block: run}):
            yield
        return
    handle = block.register_forward_pre_hook(
        lambda module, args, kwargs: instead(args, kwargs), with_kwargs=True, prepend=True
    )
    try:
        with replaced(passing):
            yield
    finally:
        handle.remove()


class _Reached(Exception):  # noqa: N818
    """Carries the hidden states out of a forward pass that need not go on."""

    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.hidden = hidden


def enter(module: nn.Module, block: nn.Module, pixels: Tensor) -> Tensor | None:
    """Input of `block` when `module` runs, which stops there; None where it is never called."""

    def stop(*args: Any, **kwargs: Any) -> Any:
        raise _Reached(_first(args, kwargs))

    with replaced({block: stop}):
        try:
            module(pixels)
        except _Reached as reached:
            return reached.hidden
    return None


def returns_of(result: Any) -> Returns:
    """Return type of a block's result."""
    return len(result) if isinstance(result, tuple) else None


def _first(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return args[0] if args else next(iter(kwargs.values()))
