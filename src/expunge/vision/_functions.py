"""What functions between modules are given, such as an activation that is no module."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def before_last(module: nn.Module, hear: Callable[[Tensor], object]) -> Callable[[], None]:
    """Tells, at each call of a module, what the last function it calls is given; what it returns if that is no tensor.

    Args:
        module: It returns one tensor.
        hear: Is told what has the shape of what is returned.

    Returns:
        What takes it back.
    """
    forward, before = module.forward, vars(module).get("forward")

    def run(*args: Any, **kwargs: Any) -> Any:
        with _Last() as last:
            result = forward(*args, **kwargs)
        found = last.given if last.result is result and last.given is not None else result
        hear(found if found.shape == result.shape else result)
        return result

    def undo() -> None:
        del module.forward
        if before is not None:
            module.forward = before

    module.forward = run
    return undo


class _Last(TorchFunctionMode):
    """Keeps the first argument and the result of the last function that was called."""

    given: Tensor | None = None
    result: object = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.given = args[0] if args and isinstance(args[0], Tensor) else None
            self.result = result
        return result
