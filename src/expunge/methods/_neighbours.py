"""Nearest class that stays, for each forget image: where it would lie had its own class never been learnt."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from expunge.methods._sensitivity import Rows
from expunge.methods._states import SeenRows, States, class_means
from expunge.methods.delete import without_classes


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The retained class that each of n forget images resembles most.

    Attributes:
        nearest: (n,) its number among the R retained classes that occur, in ascending order; R where it is one of which
            there is no state.
    """

    nearest: Int[Tensor, " n"]

    def target(
        self, seen: SeenRows, rows: Rows, forget: States, retained: Float[Tensor, "retained t d"]
    ) -> Float[Tensor, "nk d"]:
        """T(x) = M_r(x) + h(x) − C_c, the mean over all M where M_r is unknown; a `Target` of a site."""
        return rows.of_each(_guides(retained), self.nearest) + seen.outputs - rows.of_each(seen.means, forget.numbers)

    def moved(
        self, embedding: Float[Tensor, "n d"], forget: States, kept: Float[Tensor, "m d"], retain: States
    ) -> Float[Tensor, "n d"]:
        """The same of what the head is given: embeddings of the forget images, with those of retained ones as guide."""
        own, retained = class_means(embedding[:, None], forget)[:, 0], class_means(kept[:, None], retain)[:, 0]
        return _guides(retained)[self.nearest] + embedding - own[forget.numbers]


def _guides(retained: Float[Tensor, "retained *rest"]) -> Float[Tensor, "_ *rest"]:
    return torch.cat([retained, retained.mean(0, keepdim=True)])


def neighbours(logits: Float[Tensor, "n c"], retain: States, gone: Sequence[int]) -> Neighbours:
    """Of the classes that stay, the one with the greatest logit."""
    nearest = without_classes(logits, tuple(gone)).argmax(1)
    numbers = torch.full((logits.shape[1],), len(retain.classes), device=logits.device)
    numbers[list(retain.classes)] = torch.arange(len(retain.classes), device=logits.device)
    return Neighbours(numbers[nearest])


def answers_among(logits: Float[Tensor, "n c"], gone: tuple[int, ...]) -> Float[Tensor, "n c"]:
    """Probabilities of all classes: none for those of `gone`, and 1 in sum for the others."""
    return functional.softmax(without_classes(logits.float(), gone), dim=1)
