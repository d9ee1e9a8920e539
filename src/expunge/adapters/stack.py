"""A pre-trained model and the edits on it, in order: `W = W₀ + Σ ΔWᵢ`, where `ΔW` is `B A` or a dense change.

The pristine value of every tensor that an edit touches is kept, and weights are always rebuilt from it: the sum is
taken in float64 in the order of the edits and brought to the weight's own precision at the end. So undoing any edit
gives, bit for bit, the model that the remaining edits alone would have made, and no rounding error piles up over many
requests. A parameter that the model knows under several names is one parameter here, whichever name an edit uses.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from expunge.adapters.edit import Edit, LowRank
from expunge.errors import EditError
from expunge.vision import STRUCK_LOGIT, Wrapped

M = TypeVar("M", bound=Wrapped)


class EditStack(Generic[M]):
    """The edits of one model, applied to it in place.

    Attributes:
        model: The model; its weights always show the pristine ones plus all edits.
    """

    def __init__(self, model: M):
        """Takes `model` as it is now for pristine."""
        self.model = model
        self._edits: list[Edit] = []
        self._pristine: dict[str, Tensor] = {}
        self._bias_is_ours: bool | None = None

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits in force, oldest first."""
        return tuple(self._edits)

    @property
    def masked(self) -> tuple[int, ...]:
        """Indices of all classes struck from the head."""
        return tuple(sorted({c for edit in self._edits for c in edit.masked}))

    def push(self, edit: Edit) -> None:
        """Applies `edit` on top.

        Raises:
            EditError: The edit does not fit the model, or holds numbers that are not finite. The model is left as it
                was.
        """
        self._check(edit)
        self._become([*self._edits, edit], edit)

    def undo(self, index: int = -1) -> Edit:
        """Takes the edit at `index` away, wherever in the order it stands, and returns it.

        Raises:
            EditError: There is no such edit.
        """
        if not -len(self._edits) <= index < len(self._edits):
            raise EditError(f"no edit at index {index}: the stack holds {len(self._edits)}")
        edits = list(self._edits)
        edit = edits.pop(index)
        self._become(edits, edit)
        return edit

    def _check(self, edit: Edit) -> None:
        for name, low in edit.deltas.items():
            try:
                weight = self.model.layer(name).weight
            except (AttributeError, ValueError) as error:
                raise EditError(f"the edit changes {name!r}, which this model does not have: {error}") from error
            _check_low_rank(name, low, tuple(weight.shape))
        for name, change in edit.dense.items():
            try:
                parameter = self.model.module.get_parameter(name)
            except AttributeError as error:
                raise EditError(f"the edit changes {name!r}, which this model does not have: {error}") from error
            _check_shape(name, tuple(change.shape), tuple(parameter.shape))
            _check_finite(name, change)
            if self._bias_is_ours and name == f"{self.model.head_name}.bias":
                raise EditError(
                    f"the edit changes {name!r}, which this model has only while classes are struck from its head; "
                    "leave it out"
                )
        unknown = [c for c in edit.masked if not 0 <= c < len(self.model.classes)]
        if unknown:
            raise EditError(f"the edit strikes class indices {unknown}; the model has {len(self.model.classes)}")

    def _become(self, edits: list[Edit], changed: Edit) -> None:
        """Puts `edits` in force, which differ from those that are by `changed`; all of it or, on an error, nothing."""
        before, self._edits = self._edits, edits
        try:
            self._rebuild(changed)
        except BaseException:
            self._edits = before
            self._rebuild(changed)
            raise

    @torch.no_grad()
    def _rebuild(self, edit: Edit) -> None:
        """Recomputes every tensor that `edit` touches from its pristine value and the edits in force."""
        names = self._names()
        touched = {names[name][0]: names[name] for name in edit.touched}
        for aliases in touched.values():
            self._rebuild_parameter(aliases)
        head = [names[name][0] for name in self._head_parts() if name in names]
        if edit.masked or (self.masked and any(name in touched for name in head)):
            self._rebuild_head(names)

    def _names(self) -> Mapping[str, tuple[str, ...]]:
        """For each name of a parameter all names of it; the first of them stands for it."""
        found: dict[int, list[str]] = {}
        for name, parameter in self.model.module.named_parameters(remove_duplicate=False):
            found.setdefault(id(parameter), []).append(name)
        return {name: tuple(aliases) for aliases in found.values() for name in aliases}

    def _head_parts(self) -> tuple[str, str]:
        return f"{self.model.head_name}.weight", f"{self.model.head_name}.bias"

    def _rebuild_parameter(self, aliases: tuple[str, ...]) -> None:
        parameter = self.model.module.get_parameter(aliases[0])
        changes = (change for edit in self._edits for name in aliases for change in _changes(edit, name))
        parameter.copy_(merge(self._remember(aliases[0], parameter), changes))

    def _rebuild_head(self, names: Mapping[str, tuple[str, ...]]) -> None:
        """Gives the struck classes a zero row and a hopeless bias; a bias that was made for that goes with the last."""
        head, rows = self.model.module.get_submodule(self.model.head_name), list(self.masked)
        weight, bias = head.get_parameter("weight"), getattr(head, "bias", None)
        weight_name, bias_name = self._head_parts()
        self._rebuild_parameter(names[weight_name])
        if self._bias_is_ours is None:
            self._bias_is_ours = bias is None
        if self._bias_is_ours:
            bias = nn.Parameter(weight.new_zeros(len(weight)), requires_grad=False) if rows else None
            head.register_parameter("bias", bias)
        elif isinstance(bias, nn.Parameter):
            self._rebuild_parameter(names[bias_name])
        elif isinstance(bias, Tensor):
            bias.copy_(self._remember(bias_name, bias))
        if isinstance(bias, Tensor) and rows:
            owners = getattr(head, "owners", None)  # of a gallery, whose rows are several a class
            weight[rows if owners is None else torch.isin(owners, owners.new_tensor(rows))] = 0.0
            bias[rows] = STRUCK_LOGIT

    def _remember(self, key: str, tensor: Tensor) -> Tensor:
        return self._pristine.setdefault(key, tensor.detach().cpu().clone())


def _check_low_rank(name: str, low: LowRank, expected: tuple[int, ...]) -> None:
    a, b = tuple(low.a.shape), tuple(low.b.shape)
    if len(a) not in (2, 4) or len(b) != len(a) or a[0] != b[1] or any(side != 1 for side in b[2:]):
        raise EditError(
            f"the edit of {name!r} has A of shape {a} and B of {b}: expected (rank, in) and (out, rank), and of a "
            "convolution (rank, in, k, k) and (out, rank, 1, 1)"
        )
    _check_shape(name, (b[0], *a[1:]), expected)
    if not math.isfinite(low.scale):
        raise EditError(f"the edit of {name!r} has the scale {low.scale}: expected a finite number")
    _check_finite(name, low.a)
    _check_finite(name, low.b)


def _check_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise EditError(f"the edit changes {name!r} of shape {found}; in this model it has {expected}")


def _check_finite(name: str, values: Tensor) -> None:
    if not bool(values.isfinite().all()):
        raise EditError(f"the edit of {name!r} holds NaN or infinity; a method that diverged leaves such numbers")


def _changes(edit: Edit, name: str) -> Iterator[Tensor]:
    """Changes that `edit` adds to the parameter `name`, in float64."""
    low = edit.deltas.get(name.removesuffix(".weight")) if name.endswith(".weight") else None
    if low is not None:
        yield low.delta()
    if name in edit.dense:
        yield edit.dense[name].to(torch.float64)


def merge(pristine: Tensor, changes: Iterable[Tensor]) -> Tensor:
    """`W₀ + Σ ΔW`, summed on the CPU in float64 in the given order, then brought to W₀'s dtype.

    On the CPU whatever the device, so that the same edits give the same bits everywhere. torch brings float64 to half
    precision by way of float32, so there the last bit may be off where the sum lies next to the middle of two numbers.
    """
    total = None
    for change in changes:
        total = change.cpu() + (pristine.to(torch.float64) if total is None else total)
    return pristine if total is None else total.to(pristine.dtype)
