"""Forgotten classes in line with objects of no class, as a detector sees both; see `expunge.evidence.strangers`.

Which query stands at an object is decided by boxes alone, for forgotten classes, strangers and retained classes alike:
what the query is called there plays no part (`expunge.vision.scene_states.locate`). So a class whose row was struck and
a person who never had one are found in the same way.
"""

from collections.abc import Collection, Mapping, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from expunge.data import Scenes, Splits
from expunge.errors import EvidenceError
from expunge.evidence.strangers.lineup import Lineup, images_each
from expunge.tasks.detection.views import objects_in
from expunge.tasks.views import Observed, View
from expunge.vision.detection import DetectionModel
from expunge.vision.scene_states import Objects, SceneCache

MOST = 40
"""Objects of a candidate that are taken from either side at the most."""


def scene_lineup(
    model: DetectionModel | SceneCache,
    data: Splits[Scenes],
    strangers: Splits[Scenes],
    *,
    retain: Collection[int],
    forgotten: Collection[int],
    seed: int = 0,
    most: int = MOST,
) -> Lineup:
    """Looks at the scenes of a detector's own classes and at those of strangers, and takes as many objects of each.

    Objects in training and validation scenes are the attacker's. Of each candidate as many are drawn as the poorest
    forgotten class has, or as seven strangers of eight have if that is less; strangers that have fewer are left out. Of
    retained classes all are taken. Scenes of strangers may show classes of the detector beside them, by their names:
    these help to say which query stands where, and count for nothing.

    Args:
        model: The detector, or a cache of what passes a cut below which nothing has been edited. All pictures must come
            to one size in its preprocessing, whichever is given.
        data: Scenes of the detector's classes, labelled in its order.
        strangers: Scenes with objects of classes that the detector has not.
        retain: Classes that stay.
        forgotten: Classes to look at.
        seed: Seeds the draw, and the lineup's measures.
        most: How many objects of a candidate are taken from either side at the most.

    Raises:
        EvidenceError: There is no stranger, or a forgotten class, or everybody who stays, is not in training and test
            scenes both.
        MissingExtraError: scipy is not installed.
    """
    cache = SceneCache(model, batch_size=16, limit_bytes=0) if isinstance(model, DetectionModel) else model
    known = cache.model.classes
    numbers = numbered(strangers.classes, known)
    sides = [
        (objects_in(cache, ours), _renumbered(objects_in(cache, theirs), numbers))
        for ours, theirs in (
            ([data.train, data.validation], [strangers.train, strangers.validation]),
            ([data.test], [strangers.test]),
        )
    ]
    _check(sides, known, retain, forgotten)
    counts = [torch.cat([one.labels for one in side]).bincount(minlength=len(known) + len(numbers)) for side in sides]
    there = [n for n in sorted(numbers.values()) if all(count[n] for count in counts)]
    if not there:
        raise EvidenceError(
            "Expected strangers with objects in training and in test scenes, got none. Add scenes of classes that the "
            "detector has never seen, under other names than those of its classes."
        )
    gone = sorted(forgotten)
    few = [min(most, images_each(count[gone].tolist(), count[there].tolist())) for count in counts]
    there = [n for n in there if all(int(count[n]) >= n_each for count, n_each in zip(counts, few, strict=True))]
    candidates, generator = (*gone, *there), torch.Generator().manual_seed(seed)
    attack, test = (
        _lined_up(*side, retain, candidates, n_each, generator) for side, n_each in zip(sides, few, strict=True)
    )
    return Lineup(
        model=cache.model,
        view=View(attack, test),
        attack=None,
        test=None,
        retain=tuple(sorted(retain)),
        forgotten=tuple(gone),
        strangers=tuple(there),
        seed=seed,
    )


def numbered(strangers: Sequence[str], known: Sequence[str]) -> Mapping[int, int]:
    """Label of each stranger -> its number in a lineup; classes that the detector knows have none."""
    new = [label for label, name in enumerate(strangers) if name not in known]
    return {label: len(known) + place for place, label in enumerate(new)}


def drawn(labels: Int[Tensor, " m"], candidates: Sequence[int], few: int, generator: torch.Generator) -> Tensor:
    """Rows of `few` objects of each candidate, in the order of the rows."""
    places = [(labels == label).nonzero()[:, 0] for label in candidates]
    return torch.cat([rows[torch.randperm(len(rows), generator=generator)[:few]] for rows in places]).sort().values


def _lined_up(
    ours: Objects,
    theirs: Objects,
    retain: Collection[int],
    candidates: Sequence[int],
    few: int,
    generator: torch.Generator,
) -> Observed:
    sides = (ours, theirs)
    every = Observed(
        torch.cat([side.features for side in sides]),
        torch.cat([side.logits for side in sides]),
        torch.cat([side.labels for side in sides]),
    )
    chosen = drawn(every.labels, candidates, few, generator)
    kept = every.among(retain).nonzero()[:, 0]
    return every.select(torch.cat([chosen, kept]).sort().values)


def _renumbered(objects: Objects, numbers: Mapping[int, int]) -> Objects:
    """The objects of strangers alone, by their numbers in the lineup."""
    mine = torch.isin(objects.labels, torch.tensor(sorted(numbers), dtype=objects.labels.dtype))
    labels = torch.tensor([numbers[label] for label in objects.labels[mine].tolist()], dtype=objects.labels.dtype)
    return Objects(objects.features[mine], objects.logits[mine], labels, objects.scenes[mine])


def _check(
    sides: Sequence[tuple[Objects, Objects]], known: Sequence[str], retain: Collection[int], forgotten: Collection[int]
) -> None:
    for ours, _ in sides:
        there = set(ours.labels.tolist())
        lacking = [known[label] for label in sorted(forgotten) if label not in there]
        if lacking:
            raise EvidenceError(
                f"Expected objects of {lacking[0]!r} in training and in test scenes, got none in one of them. Add some."
            )
        if not there.intersection(retain):
            raise EvidenceError("Expected objects of classes that stay in training and in test scenes. Add some.")
