"""How numbers run through a module: which calls they pass one after the other, and where they run side by side.

Read off one forward pass over a made-up image: hooks tell when modules are called, and autograd's own graph, with a
gradient asked for the pixels alone, tells what is made from what, whatever the code between the modules is.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from expunge.vision._forwards import returns_of

Node = Any
"""A function in autograd's graph, which stands for the tensor that it made."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a module that is given a tensor and returns one.

    Attributes:
        name: Qualified name of the module.
        module: The module.
        given: What made the tensor it is given; None for the pixels themselves.
        made: What made the tensor it returns.
        shape: Shape of that.
        order: How many modules had been called before.
    """

    name: str
    module: nn.Module
    given: Node
    made: Node
    shape: torch.Size
    order: int

    @property
    def is_leaf(self) -> bool:
        """Whether no module is inside."""
        return next(self.module.children(), None) is None


@dataclass(frozen=True, eq=False)
class Flow:
    """One forward pass.

    Attributes:
        calls: The calls of modules that are called once, in order.
        last: For modules that are called more than once, their last calls.
        cuts: What all numbers pass on the way from the pixels to the result.
    """

    calls: tuple[Call, ...]
    last: tuple[Call, ...]
    cuts: frozenset[Node]

    def is_link(self, call: Call) -> bool:
        """Whether everything that comes after a call hangs on what it returns alone, and that on what it is given."""
        return (
            call.made is not call.given and call.made in self.cuts and (call.given is None or call.given in self.cuts)
        )

    def within(self, outer: Call) -> list[Call]:
        """Calls of modules inside a module, in order, the last of each."""
        inside = [call for call in (*self.calls, *self.last) if call.name.startswith(f"{outer.name}.")]
        return sorted(inside, key=lambda call: call.order)


def follow(module: nn.Module, pixels: Tensor) -> Flow:
    """Runs a module once, whose parameters are frozen."""
    with torch.enable_grad(), _listening(module) as calls:
        returned = module(pixels.detach().clone().requires_grad_(True))
    result = returned if isinstance(returned, Tensor) else getattr(returned, "logits", None)
    node = result.grad_fn if isinstance(result, Tensor) else None
    times = Counter(call.name for call in calls)
    last = {call.name: call for call in calls if times[call.name] > 1}
    return Flow(
        tuple(call for call in calls if times[call.name] == 1), tuple(last.values()), frozenset(_cut_vertices(node))
    )


def behind(node: Node, until: Node) -> set[Node]:
    """What a tensor is made from, down to another one."""
    found, open_ = set(), [node]
    while open_:
        one = open_.pop()
        if one not in found and one is not until:
            found.add(one)
            open_.extend(sources(one))
    return found


def depths(flow: Flow, kind: type[nn.Module]) -> Mapping[Node, int]:
    """For what each call made, the most calls of modules of a kind on a way from the pixels to it."""
    counted = {call.made for call in flow.calls if isinstance(call.module, kind)}
    found: dict[Node, int] = {}
    for call in flow.calls:
        open_ = [call.made]
        while open_:
            node = open_[-1]
            missing = [source for source in sources(node) if source not in found]
            if missing:
                open_.extend(missing)
                continue
            found[node] = max((found[source] for source in sources(node)), default=0) + (node in counted)
            open_.pop()
    return found


def done_before(module: nn.Module, name: str, pixels: Tensor) -> dict[str, int | None]:
    """Modules that are called before another one and not again, the outermost of each, and what they return.

    Returns:
        Qualified name -> see `expunge.vision._forwards.Returns`.
    """
    starts: dict[str, list[int]] = {}
    done: dict[str, tuple[int, Any]] = {}
    clock = iter(range(1 << 60))
    with ExitStack() as hooks:
        for part, found in module.named_modules():
            begin = found.register_forward_pre_hook(
                lambda *_, part=part: starts.setdefault(part, []).append(next(clock))
            )
            end = found.register_forward_hook(
                lambda *call, part=part: done.update({part: (next(clock), returns_of(call[2]))})
            )
            hooks.callback(begin.remove)
            hooks.callback(end.remove)
        module(pixels)
    (start, *_) = starts[name]
    before = {part: kind for part, (time, kind) in done.items() if time < start and max(starts[part]) < start}
    return {part: kind for part, kind in before.items() if not any(up in before for up in _ancestors(part))}


def _ancestors(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


@contextmanager
def _listening(module: nn.Module) -> Iterator[list[Call]]:
    calls: list[Call] = []
    begun: list[tuple[int, Node]] = []
    clock = iter(range(1 << 60))

    def begin(_: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        given = args[0] if args else next(iter(kwargs.values()), None)
        begun.append((next(clock), given.grad_fn if isinstance(given, Tensor) else None))

    def end(name: str, part: nn.Module, result: Any) -> None:
        order, given = begun.pop()
        if isinstance(result, Tensor) and result.grad_fn is not None:
            calls.append(Call(name, part, given, result.grad_fn, result.shape, order))

    with ExitStack() as hooks:
        for name, part in module.named_modules():
            if name:
                handles = (
                    part.register_forward_pre_hook(begin, with_kwargs=True),
                    part.register_forward_hook(lambda module, args, result, name=name: end(name, module, result)),
                )
                for handle in handles:
                    hooks.callback(handle.remove)
        yield calls
    calls.sort(key=lambda call: call.order)


def sources(node: Node) -> list[Node]:
    return [source for source, _ in node.next_functions if source is not None]


def _cut_vertices(node: Node) -> Iterator[Node]:
    """What every way down from a node passes.

    Nodes are taken once all that is made from them was; one that is the only one known by then is passed by all ways.
    """
    if node is None:
        return
    waiting: Counter[Node] = Counter()
    for one in behind(node, None):
        waiting.update(set(sources(one)))
    ready, known = [node], {node}
    while ready:
        one = ready.pop()
        if known == {one}:
            yield one
        known.remove(one)
        for source in set(sources(one)):
            known.add(source)
            waiting[source] -= 1
            if not waiting[source]:
                ready.append(source)
