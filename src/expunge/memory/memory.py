"""Memory of one model: statistics of its classes in place of their images."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from types import MappingProxyType

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.errors import ClassMemoryError, MemoryMismatchError
from expunge.memory.prototypes import Prototypes
from expunge.memory.statistics import ClassStatistics
from expunge.vision import VisionModel


@dataclass(frozen=True, eq=False)
class Memory:
    """Statistics of a model's classes at the entry of one block.

    Attributes:
        entry: Index of the block that the hidden states enter.
        model: Digest of the model they were taken from; see `VisionModel.digest`.
        classes: Names of all classes of the model, in the order of the logits.
        statistics: Index of a class -> its statistics. Classes that were never seen, or were forgotten, are absent.

    Raises:
        ClassMemoryError: There are statistics of a class that the model does not have.
    """

    entry: int
    model: str
    classes: tuple[str, ...]
    statistics: Mapping[int, ClassStatistics]

    def __post_init__(self) -> None:
        """Fixes the order of the classes, so that equal memories have equal bytes."""
        outside = [label for label in self.statistics if not 0 <= label < len(self.classes)]
        if outside:
            raise ClassMemoryError(f"statistics of class {outside[0]}, but there are {len(self.classes)} classes")
        object.__setattr__(self, "statistics", MappingProxyType(dict(sorted(self.statistics.items()))))

    @property
    def known(self) -> tuple[int, ...]:
        """Indices of the classes with statistics, ascending."""
        return tuple(self.statistics)

    @property
    def bytes(self) -> int:
        """Bytes of the numbers as `save_memory` stores them: two each, of prototypes four."""
        every = self.statistics.values()
        return sum(2 * (one.mean.numel() + one.factors.numel()) + 4 * one.prototype.numel() for one in every)

    def sample(
        self, classes: Sequence[int], per_class: int, seed: int
    ) -> tuple[Float[Tensor, "n *hidden"], Int[Tensor, " n"]]:
        """Draws hidden states that enter block `entry`.

        What is drawn of a class follows from the seed, the class's name and its statistics alone, so the states of one
        class stay what they are when another one is forgotten.

        Args:
            classes: Indices of classes with statistics.
            per_class: How many states of each.
            seed: Seeds the draws.

        Returns:
            States in float32 and their classes, on the CPU, in the order of `classes`.

        Raises:
            ClassMemoryError: There are no statistics of a class.
        """
        self._require(classes)
        shape = next((one.mean.shape for one in self.statistics.values()), torch.Size())
        parts = [torch.zeros(0, *shape), *(self._draw(label, per_class, seed) for label in classes)]
        labels = torch.tensor([label for label in classes for _ in range(per_class)], dtype=torch.int64)
        return torch.cat(parts), labels

    def without(self, classes: Collection[int]) -> "Memory":
        """The same memory without some classes, whether it has statistics of them or not."""
        gone = set(classes)
        return replace(self, statistics={c: one for c, one in self.statistics.items() if c not in gone})

    def prototypes(self) -> Prototypes:
        """The mean embeddings of all classes, with rows of zeros for those without statistics."""
        found = self.statistics.items()
        d = next((len(one.prototype) for _, one in found), 0)
        values, counts = torch.zeros(len(self.classes), d), torch.zeros(len(self.classes), dtype=torch.int64)
        for label, one in found:
            values[label], counts[label] = one.prototype.float(), one.count
        return Prototypes(values, counts)

    def check_model(self, model: VisionModel, sha256: str | None = None) -> None:
        """Makes sure that the memory was taken from this very model.

        Args:
            model: The model.
            sha256: Its digest, where it is known.

        Raises:
            MemoryMismatchError: Weights or classes are others, or the model has no block of that index.
        """
        if self.classes != model.classes:
            names = f"the memory knows {_first(self.classes)}, {model.name} has {_first(model.classes)}"
            raise MemoryMismatchError(f"the memory was taken from a model with other classes: {names}")
        digest = sha256 or model.digest()
        if self.model != digest:
            raise MemoryMismatchError(
                f"the memory was taken from a model with sha256 {self.model}; {model.name} has {digest}. Hidden states "
                "of one model mean nothing to another: calibrate anew, or name the model that it was taken from"
            )
        if not 0 <= self.entry < len(model.blocks):
            raise MemoryMismatchError(f"the memory begins at block {self.entry}, but there are {len(model.blocks)}")

    def check_entry(self, first_block: int, method: str) -> None:
        """Makes sure that a method edits nothing below the states that are kept.

        Raises:
            MemoryMismatchError: It does.
        """
        if first_block < self.entry:
            raise MemoryMismatchError(
                f"the memory holds what enters block {self.entry}, but {method} edits from block {first_block} on: "
                "calibrate at a greater depth, or edit fewer blocks"
            )

    def _require(self, classes: Sequence[int]) -> None:
        for label in classes:
            if label not in self.statistics:
                name = repr(self.classes[label]) if 0 <= label < len(self.classes) else f"number {label}"
                raise ClassMemoryError(f"the memory has no statistics of class {name}: never seen, or forgotten")

    def _draw(self, label: int, n: int, seed: int) -> Float[Tensor, "n *hidden"]:
        found = self.statistics[label]
        digest = sha256(f"{seed}/{self.classes[label]}".encode(errors="surrogatepass")).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        z = torch.randn(n, len(found.factors), generator=generator)
        return found.mean.float() + torch.tensordot(z, found.factors.float(), dims=1)


def _first(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(repr(name) for name in names[:most]) + (", …" if len(names) > most else f" ({len(names)})")
