"""The original's head, kept from before any edit: whoever has the public original has the rows that an edit strikes."""

from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.errors import EvidenceError
from expunge.vision import Wrapped


@dataclass(frozen=True, eq=False)
class HeadRows:
    """The head of a classifier, or the classifier of a detector, with all its rows, whatever kind of head it is.

    Attributes:
        module: A copy of the head, on the CPU in float32: (n, d) embeddings in, (n, c) logits out.
        width: How wide an embedding is, d.
    """

    module: nn.Module
    width: int

    @classmethod
    def of(cls, model: Wrapped) -> Self:
        """The head of `model` as it is now; later edits of the model leave the copy alone."""
        head = deepcopy(model.module.get_submodule(model.head_name)).cpu().float()
        return cls(head.eval().requires_grad_(False), head.get_parameter("weight").shape[1])

    @torch.no_grad()
    def read(self, embedding: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Logits of this head for embeddings, which may be another model's.

        Raises:
            EvidenceError: They are not as wide as those it was trained on.
        """
        if embedding.shape[1] != self.width:
            raise EvidenceError(
                f"Expected embeddings of width {self.width} for the rows of the original's head, got "
                f"{embedding.shape[1]}: its rows fit its own edits only."
            )
        return self.module(embedding.float())

    def put_back(
        self, logits: Float[Tensor, "n c"], embedding: Float[Tensor, "n d"], classes: Collection[int]
    ) -> Float[Tensor, "n c"]:
        """Logits with the rows of `classes` as they are in this head; all other classes keep the logits they have."""
        return with_columns(logits, self.read(embedding), classes)


def with_columns(
    logits: Float[Tensor, "n c"], others: Float[Tensor, "n c"], classes: Collection[int]
) -> Float[Tensor, "n c"]:
    """`logits` with the columns of `classes` taken from `others`.

    A logit hangs on its own row alone, so this is what the model says with these rows of another head in place of its
    own, without another run.
    """
    mixed, columns = logits.clone(), sorted(classes)
    mixed[:, columns] = others[:, columns].to(mixed)
    return mixed
