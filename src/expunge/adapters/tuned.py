"""Lets whole parameters be trained in place for a while, and turns what changed into an edit."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from expunge.adapters.edit import Edit


@dataclass(frozen=True, eq=False)
class Tuned:
    """Parameters open for training.

    Attributes:
        parameters: Qualified name -> the parameter, which requires a gradient while the context lasts.
        before: Qualified name -> its value when the context was entered.
    """

    parameters: Mapping[str, nn.Parameter]
    before: Mapping[str, Tensor]

    def edit(self) -> Edit:
        """The change so far as a value on the CPU; parameters that did not move do not appear.

        A parameter with several names appears under the first of them.
        """
        first: dict[int, str] = {}
        for name, parameter in self.parameters.items():
            first.setdefault(id(parameter), name)
        changes = {name: (self.parameters[name].detach() - self.before[name]).cpu() for name in first.values()}
        return Edit(dense={name: change for name, change in changes.items() if bool(change.count_nonzero())})


@contextmanager
def tuned(module: nn.Module, names: Sequence[str]) -> Iterator[Tuned]:
    """Opens the named parameters; on leaving each has, bit for bit, its old value again and is frozen as before."""
    parameters = {name: module.get_parameter(name) for name in names}
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    frozen = {name: parameter.requires_grad for name, parameter in parameters.items()}
    try:
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        yield Tuned(parameters, before)
    finally:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.requires_grad_(frozen[name])
                parameter.grad = None
                parameter.copy_(before[name])
