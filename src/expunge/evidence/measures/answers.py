"""Answers to forgotten images: how confident, how strong, how alike, with how few names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.evidence.measures._probabilities import among_retained
from expunge.evidence.protocol import Case, Reading
from expunge.evidence.strangers.lineup import Lineup, Side
from expunge.tasks import Observed

_UNITS = {"confidence_among_retained": "%", "embedding_norm": "ratio", "compactness": "1", "answer_concentration": "%"}


@dataclass(frozen=True)
class Answers:
    """Four plain readings of test images, class by class; the rows are means over the forgotten classes.

    None of them asks for the class, so that a struck row changes nothing: only retained classes count as answers.

    - Confidence among what stays: the mean highest probability among the retained classes. A class that was learnt and
      struck is answered less surely than one that the model never saw, which it takes for a neighbour.
    - Norm of the embedding as a multiple of that of retained images: what a model knows moves it more.
    - Compactness: the mean cosine of two images of the class, once the mean of the retained images is taken off. To
      learn a class is to draw its images together.
    - Concentration: the largest share of the class's images that one retained class gets. A class that was
      learnt and struck spreads over its neighbours; one that an edit has sent to one place does the opposite.
    """

    name: ClassVar[str] = "answers"
    summary: ClassVar[str] = "how surely, strongly, alike and with how few names forgotten classes are answered"
    source: ClassVar[str] = (
        "confidence and norm: Hendrycks and Gimpel, arXiv 1610.02136; Vaze et al., arXiv 2110.06207; others: ours"
    )
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "confidence_among_retained": "confidence among what stays",
        "embedding_norm": "norm of the embedding, of retained",
        "compactness": "compactness of the class",
        "answer_concentration": "largest share of one answer",
    }
    known_side: ClassVar[Mapping[str, Side]] = {
        "confidence_among_retained": "below",
        "embedding_norm": "above",
        "compactness": "above",
        "answer_concentration": "below",
    }

    def missing(self, case: Case) -> str | None:
        """Needs test images of a forgotten and of a retained class, and finite embeddings."""
        test = case.view.test
        if not test.among(case.forgotten).any() or not test.among(case.retain).any():
            return "needs test images of a forgotten class and of a retained one"
        return None if test.embedding.isfinite().all() else "needs embeddings that are finite"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The mean over the forgotten classes with test images; compactness over those that have two."""
        test = case.view.test
        counts = {label: int(test.among([label]).sum()) for label in case.forgotten}
        classes = [label for label, count in counts.items() if count]
        readings = []
        for key, values in _read(test, case.retain, classes).items():
            known = values.isfinite()
            n = sum(counts[label] for label, there in zip(classes, known.tolist(), strict=True) if there)
            if n:
                readings.append(Reading(key, float(values[known].mean()), _UNITS[key], n))
        return tuple(readings)

    def by_class(self, lineup: Lineup) -> Mapping[str, Float[Tensor, " candidates"]]:
        """The four of each candidate; compactness only where every candidate has two test images."""
        found = _read(lineup.view.test, lineup.retain, lineup.candidates)
        return {key: values for key, values in found.items() if values.isfinite().all()}


def _read(test: Observed, retain: Sequence[int], classes: Sequence[int]) -> dict[str, Float[Tensor, " classes"]]:
    """All values of each of `classes`, in their order."""
    stays = test.only(retain).embedding.double()
    centre, usual = stays.mean(0), stays.norm(dim=1).mean().clamp_min(1e-12)
    rows: list[tuple[float, ...]] = []
    for label in classes:
        mine = test.only([label])
        likely, embedding = among_retained(mine.logits, retain), mine.embedding.double()
        answered = torch.bincount(likely.argmax(1), minlength=len(retain))
        rows.append(
            (
                100 * float(likely.amax(1).exp().mean()),
                float(embedding.norm(dim=1).mean() / usual),
                compactness(embedding - centre),
                100 * float(answered.max() / len(mine)),
            )
        )
    return dict(
        zip(_UNITS, torch.tensor(rows, dtype=torch.float64).reshape(-1, len(_UNITS)).T.contiguous(), strict=True)
    )


def compactness(vectors: Float[Tensor, "n d"]) -> float:
    """Mean cosine of two different rows: (‖Σ u‖² - Σ ‖u‖²) / (n (n - 1)) with u of length 1; a row of zeros counts 0.

    Returns:
        From -1 to 1; NaN of fewer than two rows.
    """
    n, unit = len(vectors), functional.normalize(vectors, dim=1)
    return float((unit.sum(0).square().sum() - unit.square().sum()) / (n * (n - 1))) if n > 1 else float("nan")
