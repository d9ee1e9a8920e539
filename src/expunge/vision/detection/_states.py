"""States of images where a forward pass is cut: one row of numbers an image, whatever it is made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from expunge.errors import NoBlocksError


@dataclass(frozen=True, slots=True)
class State:
    """Pixels, and which of them belong to the pictures.

    Attributes:
        pixels: (n, 3, h, w).
        mask: (n, h, w), 1 where there is a picture and 0 where there is padding, right of it and below; None where
            there is no padding.
    """

    pixels: Tensor
    mask: Tensor | None = None

    @classmethod
    def of(cls, pixels: Tensor) -> Self:
        """Takes the mask out of the fourth channel, if there is one."""
        if pixels.shape[1] != 4:
            return cls(pixels)
        return cls(pixels[:, :3], pixels[:, 3].long())

    def pack(self, parts: Sequence[Tensor]) -> Tensor:
        """Joins what passes the cut and the size of the pictures, row by row.

        Raises:
            NoBlocksError: Something does not have one row an image.
        """
        n, _, height, width = self.pixels.shape
        if any(len(part) != n for part in parts):
            raise NoBlocksError("What passes there has not one row an image: images are cut up before the block.")
        sizes = torch.tensor([height, width]).expand(n, 2)
        if self.mask is not None:
            sizes = torch.stack([self.mask[:, :, 0].sum(1), self.mask[:, 0].sum(1)], dim=1)
        return torch.cat([*(part.flatten(1) for part in parts), sizes.to(parts[0])], dim=1)


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of a row.

    Attributes:
        size: Height and width of the pixels.
        shapes: Of each part, without the axis of images.
    """

    size: tuple[int, int]
    shapes: tuple[torch.Size, ...]

    def unpack(self, rows: Tensor) -> tuple[State, list[Tensor]]:
        """Blank pixels with the pictures' mask, and what passed the cut.

        Raises:
            NoBlocksError: Rows are of another length.
        """
        counts = [math.prod(shape) for shape in self.shapes]
        if rows.shape[1] != sum(counts) + 2:
            raise NoBlocksError(
                f"Expected {sum(counts) + 2} numbers an image for pixels of {self.size[0]} x {self.size[1]}; "
                f"got {rows.shape[1]}. Hand over what `enter` gave for the same block, and `size=` with it."
            )
        *flat, sizes = rows.split([*counts, 2], dim=1)
        parts = [part.reshape(len(rows), *shape) for part, shape in zip(flat, self.shapes, strict=True)]
        pixels = rows.new_zeros(1, 1, 1, 1).expand(len(rows), 3, *self.size)
        return State(pixels, self._mask(sizes.detach().round().long())), parts

    def _mask(self, sizes: Tensor) -> Tensor | None:
        full = torch.tensor(self.size, device=sizes.device)
        if bool((sizes == full).all()):
            return None
        rows, columns = (torch.arange(side, device=sizes.device) for side in self.size)
        inside = (rows[None, :, None] < sizes[:, 0, None, None]) & (columns[None, None] < sizes[:, 1, None, None])
        return inside.long()
