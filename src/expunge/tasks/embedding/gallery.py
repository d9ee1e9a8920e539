"""A gallery: embeddings of people that were enrolled, and whose each is. To the rest of us it is a head."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from expunge.errors import HeadError
from expunge.vision import STRUCK_LOGIT

ENOUGH = 0.01
"""Nats: an answer that is right and 99 % sure is sure enough."""


class Gallery(nn.Module):
    """Answers an embedding with each person's best cosine, scaled; so rank-1 is whose row lies nearest.

    A person without a row is never found: their logit is that of a struck class. An edit that strikes a person sets
    their rows to zero, which a saved gallery leaves out; see `kept`.

    Attributes:
        weight: The enrolled embeddings, of length one or, where struck, zero: (rows, d).
        owners: The person of each row, an index: (rows,).
        bias: Added to the scaled cosines: 0, or for people without a row `STRUCK_LOGIT`.
        scale: What cosines are multiplied by.
        people: How many there are.
    """

    owners: Tensor
    bias: Tensor

    def __init__(
        self, embeddings: Float[Tensor, "rows d"], owners: Int[Tensor, " rows"], people: int, scale: float
    ) -> None:
        """Enrolls embeddings; they are brought to length one.

        Raises:
            HeadError: There are no rows, an embedding is zero or no number, or an owner is nobody.
        """
        super().__init__()
        if not len(owners) or not 0 <= int(owners.min()) <= int(owners.max()) < people:
            raise HeadError(f"expected a gallery with rows that belong to persons 0 to {people - 1}")
        length = embeddings.float().norm(dim=1)
        if not bool(length.isfinite().all()) or not bool((length > 0).all()):
            raise HeadError("expected embeddings that are finite and not zero; a row of the gallery is")
        if not scale > 0:
            raise HeadError(f"expected a scale above 0 for the cosines of a gallery; got {scale}")
        rows = torch.where((length - 1).abs() < 1e-6, 1.0, length)  # a saved row stays as it is, bit for bit
        self.weight = nn.Parameter(embeddings.float() / rows[:, None], requires_grad=False)
        self.register_buffer("owners", owners.long())
        lacking = torch.bincount(owners.long(), minlength=people) == 0
        self.register_buffer("bias", torch.where(lacking, STRUCK_LOGIT, 0.0))
        self.scale, self.people = scale, people

    def forward(self, embedding: Float[Tensor, "n d"]) -> Float[Tensor, "n people"]:
        """The best cosine of each person's rows, scaled; 0 plus the bias for people without a row."""
        cosines = functional.linear(functional.normalize(embedding, dim=-1), self.weight.to(embedding))
        best = cosines.new_full((cosines.shape[0], self.people), -torch.inf)  # no len(): an export takes it for fixed
        best = best.scatter_reduce(1, self.owners.expand_as(cosines), cosines, "amax")
        return self.scale * best.masked_fill(best.isneginf(), 0.0) + self.bias

    @property
    def enrolled(self) -> Bool[Tensor, " rows"]:
        """Mask of the rows in force, which nobody struck."""
        return self.weight.ne(0).any(dim=1)

    def counts(self) -> tuple[int, ...]:
        """Number of rows in force of each person."""
        return tuple(torch.bincount(self.owners[self.enrolled], minlength=self.people).tolist())

    def kept(self) -> "Gallery":
        """The gallery as it is written: the rows in force. Struck people have none, and cannot be had back from it.

        Raises:
            HeadError: No row stands.
        """
        rows = self.enrolled
        return Gallery(self.weight.detach()[rows], self.owners[rows], self.people, self.scale)


def fitting_scale(embeddings: Float[Tensor, "rows d"], owners: Int[Tensor, " rows"]) -> float:
    """The power of two, from 4 to 256, that makes answers as sure as they are right, and no surer.

    Each row of a person with several is held against all the others, and the cross-entropy of finding its owner is
    taken (temperature scaling: Guo et al., arXiv 1706.04599). The least scale wins that is within `ENOUGH` of the best:
    where people are told apart without an error, a greater one only takes the gradients away. 64, as recognisers with
    a cosine loss are trained with, where everybody has one row.
    """
    rows = functional.normalize(embeddings.float(), dim=1)
    several = torch.bincount(owners)[owners] > 1
    if not bool(several.any()):
        return 64.0
    cosines = (rows @ rows.T).fill_diagonal_(-torch.inf)
    best = cosines.new_full((len(rows), int(owners.max()) + 1), -torch.inf)
    best = best.scatter_reduce(1, owners.expand(len(rows), -1), cosines, "amax")[several]
    losses = {2.0**n: float(functional.cross_entropy(2**n * best, owners[several])) for n in range(2, 9)}
    return next(scale for scale, loss in losses.items() if loss <= min(losses.values()) + ENOUGH)
