"""Steering: does a push along the class's own direction in the original bring it back, deleted or only suppressed?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from expunge.data import Images
from expunge.evidence.measures._readings import attackable, no_attack_on_images
from expunge.evidence.measures._settings import Settings
from expunge.evidence.measures._turn import fit_turn
from expunge.evidence.measures.inversion import class_means
from expunge.evidence.measures.prototype_relearning import prototype_wins
from expunge.evidence.protocol import Case, Reading
from expunge.intervals import difference
from expunge.vision import ActivationCache


@dataclass(frozen=True)
class Steering(Settings):
    """Adds what sets a class apart in the original to hidden states, and counts who is named as that class.

    The attacker has the public original. From it comes the class's direction, the difference between the mean token of
    its attack images and that of retained ones at the entry of the last block, and the class's row, its mean embedding.
    Both are turned, shifted and scaled into the coordinates of the model under test, as its features of *retained*
    attack images ask (see `fit_turn`): for an edited model that is next to nothing, and a model that was trained by
    itself is met in its own coordinates. Then a multiple of the direction is added to every token of an image, the
    last block and all after it run, and the class is named if its row beats those of the retained classes as in
    `prototype-relearning`. The head plays no part: a struck row changes nothing.

    A push that is strong enough makes any image look like the class. So the value is the share of its test images that
    are named, less the share of retained test images that are named with the same push. The strength is the one with
    the greatest difference on attack images. Where the class is only suppressed, its images still lie on its side and
    the push brings them back and no others; where the original's class means nothing to the model, its images are
    named no sooner than others.

    There is no value for strangers to compare with: the original has a direction of its own for what it has learnt, and
    borrows that of a stranger. So the two are no exchangeable draws even in a model that knows neither.

    Attributes:
        strengths: Multiples of the direction to choose from; 0 leaves images as they are.
        controls: Retained images at the most that false alarms are counted on, drawn by the case's seed.
    """

    strengths: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
    controls: PositiveInt = 200

    name: ClassVar[str] = "steering"
    summary: ClassVar[str] = "how often a push along the original's class direction brings the class back, and no other"
    source: ClassVar[str] = "after Jang et al., arXiv 2602.18505, with class directions for a sparse autoencoder"
    slow: ClassVar[bool] = True
    labels: ClassVar[Mapping[str, str]] = {"steering": "steered back"}

    def missing(self, case: Case) -> str | None:
        """Needs attack and test images of forgotten and retained classes, and what the original's blocks gave."""
        if reason := no_attack_on_images(case):
            return reason
        if not case.view.test.among(case.retain).any():
            return "needs test images of a retained class"
        if len(case.model.blocks) < 2:
            return "needs a model of at least two blocks"
        seen = case.original.attack
        if len(seen.layers) != len(case.model.blocks) or len(seen) != len(case.attack):
            return "needs what the original's blocks give for the attack images"
        finite = seen.embedding.isfinite().all() and seen.layers[-2].isfinite().all()
        return None if finite else "needs embeddings that are finite"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Named less false alarms in percent, over all forgotten classes."""
        attack = _Pushed.of(case, case.attack, self.controls)
        test = _Pushed.of(case, case.test, self.controls)
        known = sorted(set(attack.labels.tolist()).intersection(case.retain))
        rivals = class_means(case.view.attack.embedding.double(), case.view.attack.labels, known)
        found = []
        for label, direction, row in zip(attackable(case), *_aims(case, attack, known), strict=True):
            strength = max(self.strengths, key=lambda s: _lead(attack.named(s * direction, row, rivals, label)))
            found.append(test.named(strength * direction, row, rivals, label))
        hits = torch.cat([own for own, _ in found]).double()
        alarms = torch.stack([far for _, far in found]).double()
        # All classes have the same controls: an image is one trial, however often it is tried.
        around = difference(float(hits.mean()), len(hits), float(alarms.mean()), alarms.shape[1])
        value = 100 * float(hits.mean() - alarms.mean())
        return (Reading("steering", value, "%", len(hits), around.low, around.high),)


def _aims(
    case: Case, attack: "_Pushed", known: list[int]
) -> tuple[Float[Tensor, "classes h"], Float[Tensor, "classes d"]]:
    """Direction and row of each attackable class, from the original, in the coordinates of the model under test."""
    seen, stays = case.original.attack, torch.isin(attack.labels, torch.tensor(known))
    entering, classes = seen.layers[-2], attackable(case)
    into = fit_turn(entering[stays], attack.entering()[stays])
    rows = fit_turn(seen.embedding[stays], case.view.attack.embedding[stays])
    means = class_means(entering.double(), attack.labels, classes)
    directions = (means - entering[stays].double().mean(0)) @ into.turning
    return directions, rows(class_means(seen.embedding.double(), attack.labels, classes))


@dataclass(frozen=True, eq=False)
class _Pushed:
    """Images on their way into the last block of the model under test.

    Attributes:
        cache: What enters the last block.
        images: The images.
        labels: Their classes.
        controls: Rows of the retained images that false alarms are counted on.
    """

    cache: ActivationCache
    images: Images
    labels: Int[Tensor, " n"]
    controls: Int[Tensor, " c"]

    @classmethod
    def of(cls, case: Case, images: Images, controls: int) -> "_Pushed":
        """All images, with so many controls at the most, drawn by the case's seed."""
        labels = torch.tensor(images.labels)
        stays = torch.isin(labels, torch.tensor(case.retain)).nonzero().squeeze(1)
        order = torch.randperm(len(stays), generator=torch.Generator().manual_seed(case.seed))
        cache = ActivationCache(case.model, len(case.model.blocks) - 1)
        return cls(cache, images, labels, stays[order[:controls].sort().values])

    def entering(self) -> Float[Tensor, "n h"]:
        """The mean token of each image, on the CPU."""
        parts = []
        for batch in self.cache.batches(self.images):
            hidden = self.cache.hidden(self.images, batch)
            hidden = hidden.movedim(1, -1) if self._channels_first(hidden) else hidden
            parts.append((hidden.flatten(1, -2).mean(1) if hidden.ndim > 2 else hidden).float().cpu())
        return torch.cat(parts)

    def named(
        self, push: Float[Tensor, " h"], row: Float[Tensor, " d"], rivals: Float[Tensor, "r d"], label: int
    ) -> tuple[Bool[Tensor, " own"], Bool[Tensor, " controls"]]:
        """Masks of the images of class `label`, and of controls, named as it once `push` was added to every token."""
        own = (self.labels == label).nonzero().squeeze(1)
        named = prototype_wins(self._embedded(torch.cat([own, self.controls]), push), row[None], rivals) > 0
        return named[: len(own)], named[len(own) :]

    @torch.no_grad()
    def _embedded(self, rows: Int[Tensor, " m"], push: Float[Tensor, " h"]) -> Float[Tensor, "m d"]:
        model, parts = self.cache.model, []
        for some in rows.split(250):
            hidden = self.cache.hidden(self.images, some.tolist())
            added = push.to(hidden)
            back = hidden + (added.view(-1, *(1,) * (hidden.ndim - 2)) if self._channels_first(hidden) else added)
            parts.append(model.resume(back, self.cache.entry).embedding.float().cpu())
        return torch.cat(parts)

    def _channels_first(self, hidden: Tensor) -> bool:
        """Channels are last in transformers, and second in the maps of a convolutional network."""
        layer = self.cache.model.layer(self.cache.model.blocks[-1].linears[-1])
        return hidden.shape[-1] != layer.width or (layer.weight.ndim > 2 and hidden.ndim > 2)


def _lead(named: tuple[Tensor, Tensor]) -> float:
    own, far = named
    return float(own.double().mean()) - float(far.double().mean())
