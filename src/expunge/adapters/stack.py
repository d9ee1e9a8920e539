"""A pre-trained model and the edits on it, in order: `W = W₀ + Σ ΔWᵢ`, where `ΔW` is `B A` or a dense change.

The pristine value of every tensor that an edit touches is kept, and weights are always rebuilt from it: the sum is
taken in float64 in the order of the edits and rounded once. So undoing any edit gives, bit for bit, the model that the
remaining edits alone would have made, and no rounding error piles up over many requests.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from expunge.adapters.edit import Edit
from expunge.errors import EditError
from expunge.vision import VisionModel
from expunge.vision.detection import DetectionModel
from expunge.vision.heads import STRUCK_LOGIT

M = TypeVar("M", bound=VisionModel | DetectionModel)


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
            EditError: The edit does not fit the model. The model is left as it was.
        """
        self._check(edit)
        self._edits.append(edit)
        self._rebuild(edit)

    def undo(self, index: int = -1) -> Edit:
        """Takes the edit at `index` away, wherever in the order it stands, and returns it.

        Raises:
            EditError: There is no such edit.
        """
        if not -len(self._edits) <= index < len(self._edits):
            raise EditError(f"no edit at index {index}: the stack holds {len(self._edits)}")
        edit = self._edits.pop(index)
        self._rebuild(edit)
        return edit

    def _check(self, edit: Edit) -> None:
        for name, low in edit.deltas.items():
            try:
                weight = self.model.linear(name).weight
            except (AttributeError, ValueError) as error:
                raise EditError(f"the edit changes {name!r}, which this model does not have: {error}") from error
            expected, found = tuple(weight.shape), (low.b.shape[0], low.a.shape[1])
            if expected != found:
                raise EditError(f"the edit changes {name!r} of shape {found}; in this model it has {expected}")
        for name, change in edit.dense.items():
            try:
                parameter = self.model.module.get_parameter(name)
            except AttributeError as error:
                raise EditError(f"the edit changes {name!r}, which this model does not have: {error}") from error
            if parameter.shape != change.shape:
                expected, found = tuple(parameter.shape), tuple(change.shape)
                raise EditError(f"the edit changes {name!r} of shape {found}; in this model it has {expected}")
        unknown = [c for c in edit.masked if not 0 <= c < len(self.model.classes)]
        if unknown:
            raise EditError(f"the edit strikes class indices {unknown}; the model has {len(self.model.classes)}")

    @torch.no_grad()
    def _rebuild(self, edit: Edit) -> None:
        """Recomputes every tensor that `edit` touches from its pristine value and the edits in force."""
        for name in edit.touched:
            self._rebuild_parameter(name)
        head = f"{self.model.head_name}."
        if edit.masked or (self.masked and any(name.startswith(head) for name in edit.touched)):
            self._rebuild_head()

    def _rebuild_parameter(self, name: str) -> None:
        parameter = self.model.module.get_parameter(name)
        changes = (change for edit in self._edits for change in _changes(edit, name))
        parameter.copy_(merge(self._remember(name, parameter), changes))

    def _rebuild_head(self) -> None:
        """Gives the struck classes a zero row and a hopeless bias; a bias that was made for that goes with the last."""
        head, rows = self.model.module.get_submodule(self.model.head_name), list(self.masked)
        weight, bias = head.get_parameter("weight"), getattr(head, "bias", None)
        self._rebuild_parameter(f"{self.model.head_name}.weight")
        if self._bias_is_ours is None:
            self._bias_is_ours = bias is None
        if self._bias_is_ours:
            bias = nn.Parameter(weight.new_zeros(len(weight)), requires_grad=False) if rows else None
            head.register_parameter("bias", bias)
        elif isinstance(bias, nn.Parameter):
            self._rebuild_parameter(f"{self.model.head_name}.bias")
        elif isinstance(bias, Tensor):
            bias.copy_(self._remember(f"{self.model.head_name}.bias", bias))
        if isinstance(bias, Tensor) and rows:
            weight[rows] = 0.0
            bias[rows] = STRUCK_LOGIT

    def _remember(self, key: str, tensor: Tensor) -> Tensor:
        return self._pristine.setdefault(key, tensor.detach().cpu().clone())


def _changes(edit: Edit, name: str) -> Iterator[Tensor]:
    """What `edit` adds to the parameter `name`, in float64."""
    low = edit.deltas.get(name.removesuffix(".weight")) if name.endswith(".weight") else None
    if low is not None:
        yield low.delta()
    if name in edit.dense:
        yield edit.dense[name].to(torch.float64)


def merge(pristine: Tensor, changes: Iterable[Tensor]) -> Tensor:
    """`W₀ + Σ ΔW`, summed on the CPU in float64 in the given order and rounded once to W₀'s dtype.

    On the CPU whatever the device, so that the same edits give the same bits everywhere.
    """
    total = None
    for change in changes:
        total = change.cpu() + (pristine.to(torch.float64) if total is None else total)
    return pristine if total is None else total.to(pristine.dtype)
