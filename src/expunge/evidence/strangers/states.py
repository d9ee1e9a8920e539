"""Strangers without their pictures: what enters a block below which nothing is ever edited, and thumbnails."""

from dataclasses import dataclass, replace
from typing import NoReturn

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.evidence.strangers._thumbnails import thumbnails
from expunge.tasks import View
from expunge.tasks.classification import observe
from expunge.vision import ActivationCache, VisionModel

_TRIED = 4
"""Images by which a model is known to be the same below the states."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptSample:
    """An image of which no more is kept than a thumbnail.

    Attributes:
        name: Unique within the strangers.
        thumbnail: What the model was given, averaged to a few pixels; None where nobody needs it.
    """

    name: str
    thumbnail: Float[Tensor, " d"] | None = None

    def load(self) -> NoReturn:
        """There is no picture.

        Raises:
            EvidenceError: Always.
        """
        raise EvidenceError("Expected pictures of strangers, but hidden states are kept in their place.")


@dataclass(frozen=True, eq=False)
class States:
    """Inputs of one block of a model for each image of strangers, in float32.

    Attributes:
        entry: Index of the block.
        model: Digest of the model they were taken from.
        attack: Of the images an attacker may learn from.
        test: Of the test images.
    """

    entry: int
    model: str
    attack: Float[Tensor, "n *hidden"]
    test: Float[Tensor, "m *hidden"]

    @classmethod
    def of(cls, model: VisionModel, attack: Images, test: Images, entry: int) -> "States":
        """Runs the blocks below `entry`.

        Raises:
            NoBlocksError: There is no such block, or the model cannot go on from what enters it.
            EvidenceError: A state is not finite.
        """
        parts = [entering(model, images, entry) for images in (attack, test)]
        if not all(part.isfinite().all() for part in parts):
            raise EvidenceError(f"hidden states of strangers are not finite numbers: {model.name} overflows on them")
        return cls(entry, model.digest(), *parts)

    def seen_by(self, model: VisionModel, attack: Images, test: Images) -> View:
        """View of these images by the blocks from `entry` on, without layers."""
        seen = []
        for images, states in ((attack, self.attack), (test, self.test)):
            cache = ActivationCache(model, self.entry)
            cache.put(images.samples, states)
            seen.append(replace(observe(cache, images), layers=()))
        return View(*seen)

    def refuse_other(
        self, original: VisionModel, edited: VisionModel, images: Images, *, sha256: str | None = None
    ) -> None:
        """Refuses a model to which these states mean nothing.

        Args:
            original: The model before any edit.
            edited: The same with edits.
            images: Some images, to see whether both are the same below the states.
            sha256: Digest of the original, where it is known.

        Raises:
            EvidenceError: The states are of another model, or the edited one differs below them.
        """
        digest = sha256 or original.digest()
        if digest != self.model:
            raise EvidenceError(
                f"The strangers' hidden states were taken from a model with sha256 {self.model}; {original.name} has "
                f"{digest}. Keep the strangers anew."
            )
        some = images.select(range(min(_TRIED, len(images))))
        if not torch.equal(entering(original, some, self.entry), entering(edited, some, self.entry)):
            raise EvidenceError(
                f"The strangers are kept as what enters block {self.entry}, but an edit changed blocks below it. Keep "
                "them by their path (expunge add-strangers --by-path), or edit fewer blocks."
            )


@torch.no_grad()
def entering(model: VisionModel, images: Images, entry: int) -> Float[Tensor, "n *hidden"]:
    """Inputs of a block for each image, in float32 on the CPU."""
    cache = ActivationCache(model, entry, limit_bytes=0)
    return torch.cat([cache.hidden(images, batch).float().cpu() for batch in cache.batches(images)])


def without_pictures(model: VisionModel, images: Images, *, seen: bool) -> Images:
    """The same images with samples that hold no picture.

    Args:
        model: The model that prepares pictures.
        images: Images of strangers.
        seen: Whether thumbnails stay.
    """
    kept = thumbnails(model, images) if seen else (None,) * len(images)
    samples = tuple(KeptSample(str(number), one) for number, one in enumerate(kept))
    return Images(samples, images.labels, images.classes)
