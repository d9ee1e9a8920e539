"""Feature inversion: a forgotten class drawn again from its features by a decoder that never saw it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, PositiveFloat
from torch import Tensor
from torch.nn import functional

from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.evidence.measures._readings import attackable, no_attack_on_images, rate_reading
from expunge.evidence.measures._settings import Settings
from expunge.evidence.protocol import Case, Reading
from expunge.evidence.strangers.lineup import Lineup, Side
from expunge.tasks import View
from expunge.vision import VisionModel


@dataclass(frozen=True)
class Inversion(Settings):
    """Draws test images from their embeddings, and counts how often the drawing shows their class and no retained one.

    The decoder is a ridge regression from embeddings to small grey pictures, fitted on attack images of retained
    classes alone: it knows how features and looks belong together, and not what it is to draw. A drawing shows class c
    if it is more like the mean attack picture of c than like that of any retained class. Features that hold nothing of
    c make it draw the retained classes that c resembles.

    That drawings are like the very image they are made from is not asked: a model that never saw a class keeps as much
    of the looks of its images as one that did, often more.

    Attributes:
        side: Pictures have `side` × `side` pixels.
        decay: Strength of the ridge penalty; see `fit_decoder`.
    """

    side: Annotated[int, Field(ge=2)] = 16
    decay: PositiveFloat = 0.1

    name: ClassVar[str] = "inversion"
    summary: ClassVar[str] = "how often a decoder that never saw a class draws it from its features"
    source: ClassVar[str] = "in the manner of FUSE (openreview cLbTq27xwT), in closed form"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {"inversion": "drawn from features"}
    known_side: ClassVar[Mapping[str, Side]] = {"inversion": "above"}

    def missing(self, case: Case) -> str | None:
        """Needs attack and test images of a forgotten class, and attack images of a retained one."""
        return no_attack_on_images(case)

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The share of drawings that show their class, over all test images of forgotten classes."""
        classes = attackable(case)
        shown = torch.cat(self._shown(case.model, case.view, case.attack, case.test, classes, case.retain))
        return (rate_reading("inversion", float(shown.double().mean()), len(shown)),)

    def by_class(self, lineup: Lineup) -> Mapping[str, Float[Tensor, " candidates"]]:
        """The share of each candidate's drawings that show it. Candidates are no rivals of each other."""
        model, attack, test = lineup.pictured()
        shown = self._shown(model, lineup.view, attack, test, lineup.candidates, lineup.retain)
        return {"inversion": torch.stack([one.double().mean() for one in shown])}

    def _shown(
        self,
        model: VisionModel,
        view: View,
        attack: Images,
        test: Images,
        classes: Sequence[int],
        retain: Sequence[int],
    ) -> list[Bool[Tensor, " _"]]:
        """For each of `classes` which of its test images are drawn as itself."""
        known = sorted(set(view.attack.labels.tolist()).intersection(retain))
        looks = pictures(model, attack, self.side)
        fitted = view.attack.among(known)
        decoder = fit_decoder(view.attack.embedding[fitted], looks[fitted], decay=self.decay)
        rivals = class_means(looks, view.attack.labels, known)
        own = class_means(looks, view.attack.labels, classes)
        return [
            shows(decoder(view.test.only([label]).embedding), mine, rivals, decoder.level)
            for label, mine in zip(classes, own, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Decoder:
    """A linear map from features to pictures.

    Attributes:
        mean: Mean of each feature over the images it was fitted on.
        spread: Their standard deviation; 1 where a feature never varies.
        weight: From standardised features to pixels.
        level: Their mean picture.
    """

    mean: Float[Tensor, " d"]
    spread: Float[Tensor, " d"]
    weight: Float[Tensor, "d p"]
    level: Float[Tensor, " p"]

    def __call__(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n p"]:
        """Pictures, in float64."""
        return self.level + (features.double() - self.mean) / self.spread @ self.weight


def fit_decoder(features: Float[Tensor, "n d"], looks: Float[Tensor, "n p"], *, decay: float) -> Decoder:
    """Ridge regression from standardised features Z to pictures Y about their mean, in float64.

    W = (ZᵀZ/n + decay · I)⁻¹ Zᵀ(Y - Ȳ)/n, which minimises mean ‖y - Ȳ - Wᵀz‖² + decay ‖W‖².
    Source: Hoerl and Kennard, "Ridge Regression", Technometrics 12 (1970).

    Args:
        features: One row an image.
        looks: One flat picture an image.
        decay: Strength of the penalty, above 0.

    Raises:
        EvidenceError: There is no image.
    """
    if not len(features):
        raise EvidenceError("Expected images to fit a decoder on, got none. Add attack images of retained classes.")
    wide, looks = features.double(), looks.double()
    mean, spread, level = wide.mean(0), wide.std(0, correction=0), looks.mean(0)
    # What varies less than rounding does is constant: dividing by it would blow noise up to unit variance.
    spread = torch.where(spread > 1e-6 * wide.abs().amax(0), spread, torch.ones_like(spread))
    z = (wide - mean) / spread
    moments = z.T @ z / len(z) + decay * torch.eye(z.shape[1], dtype=z.dtype)
    return Decoder(mean, spread, torch.linalg.solve(moments, z.T @ (looks - level) / len(z)), level)


def shows(
    drawings: Float[Tensor, "n p"], own: Float[Tensor, " p"], rivals: Float[Tensor, "r p"], level: Float[Tensor, " p"]
) -> Bool[Tensor, " n"]:
    """Mask of drawings that correlate more with `own` than with every rival, `level` taken from all of them.

    A tie is lost; with a picture that has no contrast left, the correlation is 0.
    """

    def standard(flat: Tensor) -> Tensor:
        about = flat.double() - level
        about = about - about.mean(-1, keepdim=True)
        # What rounding leaves of a flat picture is no contrast.
        return torch.where(about.abs().amax(-1, keepdim=True) > 1e-6, functional.normalize(about, dim=-1), 0.0)

    z = standard(drawings)
    return z @ standard(own) > (z @ standard(rivals).T).amax(1) + 1e-9


def pictures(model: VisionModel, images: Images, side: int, batch: int = 250) -> Float[Tensor, "n p"]:
    """Inputs of the model, grey (the mean of the channels) and averaged to `side` × `side` pixels, flat."""
    parts = []
    for start in range(0, len(images), batch):
        pixels = model.prepare(images.load(range(start, min(start + batch, len(images))))).double()
        parts.append(functional.adaptive_avg_pool2d(pixels.mean(1, keepdim=True), side).flatten(1))
    return torch.cat(parts)


def class_means(
    values: Float[Tensor, "n p"], labels: Int[Tensor, " n"], classes: Sequence[int]
) -> Float[Tensor, "c p"]:
    """Mean of the rows of each class, in the order of `classes`; each must have a row."""
    return torch.stack([values[labels == label].mean(0) for label in classes])
