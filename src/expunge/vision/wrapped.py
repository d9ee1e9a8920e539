"""What a classifier and a detector have in common: a module, its name, and looking things up in it."""

from typing import Self

import torch
from torch import nn

from expunge.errors import CorruptWeightsError, ModelError
from expunge.values import Block
from expunge.vision.digest import digest


class Wrapped:
    """A pre-trained module behind one face.

    Attributes:
        module: The module itself.
        name: What the model is called in reports.
        blocks: Its repeated blocks, lowest first.
    """

    module: nn.Module
    name: str
    blocks: tuple[Block, ...]

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.module.parameters()).device

    @property
    def text_model(self) -> str | None:
        """Name of the text model that made the head's rows from class names; None where they were trained."""
        return None

    @property
    def num_parameters(self) -> int:
        """Number of parameters, buffers not counted."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    def linear(self, name: str) -> nn.Linear:
        """The Linear layer of that name.

        Raises:
            ModelError: There is none.
        """
        try:
            module = self.module.get_submodule(name)
        except AttributeError as error:
            raise ModelError(f"Expected a Linear layer at {name!r} in {self.name}; {error}.") from error
        if not isinstance(module, nn.Linear):
            raise ModelError(f"Expected a Linear layer at {name!r} in {self.name}; it is {type(module).__name__}.")
        return module

    def to(self, device: torch.device | str) -> Self:
        """Moves the module to a device."""
        self.module.to(device)
        return self

    def digest(self) -> str:
        """SHA-256 of the exact weights, in hexadecimal; see `expunge.vision.digest`."""
        return digest(self.module)

    def refuse_not_finite(self) -> None:
        """Stops where weights are no numbers.

        Raises:
            CorruptWeightsError: Some parameter holds NaN or infinity.
        """
        bad = [name for name, value in self.module.named_parameters() if not bool(value.isfinite().all())]
        if bad:
            more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            raise CorruptWeightsError(
                f"the weights of {self.name} hold NaN or infinity, in {', '.join(bad[:3])}{more}: get them again, or "
                "train the model anew where its training diverged"
            )
