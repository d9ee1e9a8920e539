"""Base of the models of all tasks: a module with classes, and looking things up in it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from PIL import Image
from torch import Tensor, nn

from expunge.errors import CorruptWeightsError, ModelError, NoBlocksError
from expunge.values import Block
from expunge.vision.digest import digest
from expunge.vision.layer import Layer, find_layer


class Wrapped(ABC):
    """A pre-trained module behind one face.

    Attributes:
        task: Name of the task that models of this class do; see `expunge.tasks`.
        module: The module itself.
        name: What the model is called in reports.
        classes: Names of its classes, in the order of the head's rows.
        head_name: Name of the module inside `module` that has one row a class.
        blocks: Its repeated blocks, lowest first.
        source: The directory it was loaded from, if any.
        fixed: Why nothing but its head can be edited; None where its blocks can.
    """

    task: ClassVar[str]

    module: nn.Module
    name: str
    classes: tuple[str, ...]
    head_name: str
    blocks: tuple[Block, ...]
    source: Path | None
    fixed: str | None = None

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.module.parameters()).device

    @property
    def text_model(self) -> str | None:
        """Name of the text model that made the head's rows from class names; None where they were trained."""
        return None

    @property
    def num_parameters(self) -> int:
        """Number of parameters, buffers not counted."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @abstractmethod
    def __call__(self, pixels: Tensor) -> Any:
        """Runs the whole model once, under the caller's grad mode."""

    @abstractmethod
    def prepare(self, images: Sequence[Image.Image | Tensor]) -> Tensor:
        """Pixels of images, on the CPU."""

    @abstractmethod
    def enter(self, pixels: Tensor, block: int) -> Tensor:
        """States of images that suffice to go on from `blocks[block]` later; nothing from there on is run."""

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Writes a model directory."""

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

    def layer(self, name: str) -> Layer:
        """The Linear layer or convolution of that name; see `expunge.vision.layer`.

        Raises:
            ModelError: There is none.
        """
        return find_layer(self.module, name, self.name)

    def to(self, device: torch.device | str) -> Self:
        """Moves the module to a device."""
        self.module.to(device)
        return self

    def digest(self) -> str:
        """SHA-256 of the exact weights, in hexadecimal; see `expunge.vision.digest`."""
        return digest(self.module)

    def refuse_fixed(self) -> None:
        """Stops where no block can be edited.

        Raises:
            NoBlocksError: None can; the message says why, and what can be done.
        """
        if self.fixed is not None:
            raise NoBlocksError(self.fixed)

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
