"""Search and verification of people who are enrolled anew, forgotten ones beside strangers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from expunge.evidence.measures._readings import no_attack, rate_reading
from expunge.evidence.measures.retrieval import accepted, cosines, nearest_agree, threshold
from expunge.evidence.protocol import Aim, Case, Reading
from expunge.evidence.strangers.beside import Beside
from expunge.evidence.strangers.lineup import Lineup, Side
from expunge.tasks import Observed, View
from expunge.tasks.embedding import EmbeddingModel

RATES = {"rank1": "rank-1", "tar_1": "TAR at FAR 1 %", "tar_01": "TAR at FAR 0.1 %"}
FAR = {"tar_1": 0.01, "tar_01": 0.001}
GROUPS = {"f": "forgotten", "o": "forgotten earlier", "r": "retained", "s": "strangers"}
AIMS: Mapping[str, Aim] = {"f": "oracle", "o": "oracle", "r": "high", "s": "high"}


@dataclass(frozen=True)
class Verification:
    """Queries (test images) against a gallery that everybody is enrolled in anew, from attack images, by cosine.

    Rank-1 says how often the nearest image is of the query's person, TAR at FAR how often a query and an image of its
    person are taken for one person, at the threshold that lets 1 % or 0.1 % of the pairs of two people who stay pass:
    the system is set by those who use it. A good embedder finds people whom it never saw, too, so what is forgotten is
    held beside *strangers*, who stand in one gallery with the people who stay and those who are forgotten.

    Class by class it gives how often each is found and verified, and the mean cosine of a person's pairs: as never seen
    is who is no more alike to themselves than a stranger is.
    """

    name: ClassVar[str] = "verification"
    summary: ClassVar[str] = "whether people enrolled anew are found and verified: forgotten, retained, strangers"
    source: ClassVar[str] = "ISO/IEC 19795-1; TAR at FAR as in Maze et al., IJB-C, ICB 2018"
    slow: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("embedding",)
    labels: ClassVar[Mapping[str, str]] = {
        **{f"anew_{rate}_{g}": f"{said}, {group}, anew" for g, group in GROUPS.items() for rate, said in RATES.items()},
        **{f"anew_{rate}": f"{said}, enrolled anew" for rate, said in RATES.items()},
        "anew_alike": "cosine of a person's pairs",
        "gallery_rows": "rows of forgotten people in the gallery",
    }
    known_side: ClassVar[Mapping[str, Side]] = {f"anew_{key}": "above" for key in (*RATES, "alike")}

    def missing(self, case: Case) -> str | None:
        """Needs attack and test images of a forgotten person, and of two people who stay."""
        return no_attack(case) or _no_impostors(case.view, case.retain)

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Three rates a group; n is the number of queries, as the pairs of one query are not independent.

        And how many rows of forgotten people still stand in the model's own gallery; n is the number of people.
        """
        readings = [*_gallery_rows(case)]
        found = anew(case.view, case.retain)
        enrolled = set(case.view.attack.labels.tolist())
        for group, classes in (("f", case.forget), ("o", case.earlier), ("r", case.retain)):
            mine = case.view.test.among(enrolled & {*classes})
            for rate, each in found.items():
                if mine.any():
                    readings.append(
                        rate_reading(f"anew_{rate}_{group}", float(each[mine].mean()), int(mine.sum()), AIMS[group])
                    )
        if case.beside is not None:
            readings += _of_strangers(case.beside)
        return tuple(readings)

    def by_class(self, lineup: Lineup) -> Mapping[str, Float[Tensor, " candidates"]]:
        """Rates of each candidate in percent, in one gallery of all, and the mean cosine of their pairs."""
        if _no_impostors(lineup.view, lineup.retain):
            return {}
        labels = lineup.view.test.labels
        rates = {f"anew_{rate}": 100 * each for rate, each in anew(lineup.view, lineup.retain).items()}
        rates["anew_alike"] = _mean_of_pairs(*_pairs(lineup.view))
        return {
            key: torch.stack([each[labels == one].mean() for one in lineup.candidates]) for key, each in rates.items()
        }


def anew(view: View, retain: Collection[int]) -> Mapping[str, Float[Tensor, " queries"]]:
    """Of each query (test image) whether it is found, and the part of its own person's pairs that are accepted.

    Args:
        view: What a model makes of the gallery's images (attack) and of the queries (test).
        retain: The people who stay: at least two of them, with images of both kinds.
    """
    scores, same = _pairs(view)
    labels, gallery = view.test.labels, view.attack.labels
    stay = view.test.among(retain)[:, None] & view.attack.among(retain)
    impostors = scores[stay & ~same]
    rates = {"rank1": nearest_agree(scores, labels, gallery, 1).double()}
    for rate, far in FAR.items():
        rates[rate] = _mean_of_pairs(accepted(scores, threshold(impostors, far)).double(), same)
    return rates


def _of_strangers(beside: Beside) -> list[Reading]:
    """The mean over strangers of what `by_class` gave."""
    rows, n = dict(zip(beside.keys, beside.values, strict=True)), beside.strangers * beside.images[1]
    means = {
        rate: float(rows[f"anew_{rate}"][len(beside.forgotten) :].mean()) for rate in RATES if f"anew_{rate}" in rows
    }
    return [rate_reading(f"anew_{rate}_s", mean / 100, n, AIMS["s"]) for rate, mean in means.items()]


def _gallery_rows(case: Case) -> tuple[Reading, ...]:
    if not isinstance(case.model, EmbeddingModel):
        return ()
    counts = case.model.gallery.counts()
    left = float(sum(counts[person] for person in case.forgotten))
    return (Reading("gallery_rows", left, "1", len(case.forgotten), aim="low"),)


def _pairs(view: View) -> tuple[Float[Tensor, "n m"], Bool[Tensor, "n m"]]:
    """Cosines of queries and gallery, and which are of one person."""
    scores = cosines(view.test.embedding, view.attack.embedding)
    return scores, view.test.labels[:, None] == view.attack.labels


def _mean_of_pairs(values: Float[Tensor, "n m"], same: Bool[Tensor, "n m"]) -> Float[Tensor, " n"]:
    """The mean over a query's own person's pairs; 0 where that person is not in the gallery."""
    return (values * same).sum(dim=1) / same.sum(dim=1).clamp(min=1)


def _no_impostors(view: View, retain: Collection[int]) -> str | None:
    """Reason why no threshold can be set, or None: a pair of two different people who stay is needed."""
    first, second = (_people(seen, retain) for seen in (view.test, view.attack))
    enough = first and second and len(first | second) > 1
    return None if enough else "needs attack and test images of two people who stay"


def _people(seen: Observed, classes: Collection[int]) -> set[int]:
    return {*seen.labels.tolist()} & {*classes}
