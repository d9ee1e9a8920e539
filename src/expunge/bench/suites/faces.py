"""Faces: the zoo's recogniser forgets people, five at a time as the demo does, or one by one.

The recogniser has seen its validation photos: with five photos a person to train on, none can be spared.

All people of the set are known to it, so where there are to be strangers another one serves, which has learnt thirty.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace

from expunge.bench.suite import Setting, Suite
from expunge.bench.suites._innocence import MEASURES
from expunge.bench.tuned import FACES
from expunge.data import Images, Splits
from expunge.vision import VisionModel
from expunge.zoo import KNOWN, PEOPLE, STRANGERS, orl_faces
from expunge.zoo.faces import TUNED_BLOCKS, Recipe, faces, faces_30, train_faces

SHOTS = Setting("4-shot", "four photos of every person, all there are beside one for validation")
REPLAY = Setting("replay-10", "one photo of every person who stays", replay=0.1)
MISSING = Setting("missing-class", "as 4-shot, but an eighth of the people who stay has no photo", missing=1 / 8)


def suite(quick: bool) -> Suite:
    """Four requests of five people."""
    requests = tuple(PEOPLE[start : start + 5] for start in range(0, 20, 5))
    return _suite("faces", "4 requests of 5 people", requests, (SHOTS, REPLAY, MISSING), (4,), quick)


def long_suite(quick: bool) -> Suite:
    """Twenty requests of one person."""
    requests = tuple((person,) for person in PEOPLE[:20])
    return _suite("faces-20x1", "20 requests of 1 person", requests, (SHOTS,), (20,), quick)


def strangers_suite(quick: bool) -> Suite:
    """Three requests of five of thirty people; ten more are strangers."""
    requests = tuple(KNOWN[start : start + 5] for start in range(0, 15, 5))
    inside = _suite("faces-strangers", "3 requests of 5 people", requests, (SHOTS,), (3,), quick, KNOWN)
    return replace(inside, base=faces_30, strangers=lambda: orl_faces(STRANGERS, seed=0), taken=MEASURES)


def _suite(
    name: str,
    what: str,
    requests: tuple[tuple[str, ...], ...],
    settings: tuple[Setting, ...],
    checkpoints: tuple[int, ...],
    quick: bool,
    people: tuple[str, ...] = PEOPLE,
) -> Suite:
    recipe = Recipe(epochs=1, copies=1) if quick else Recipe()
    budget: Mapping[str, object] = {"last_blocks": TUNED_BLOCKS, "max_steps": 20, "batch_size": 8}

    def training(images: Images, seed: int, start: VisionModel | None) -> VisionModel:
        return train_faces(replace(recipe, seed=seed), images, start)

    made = Suite(
        name=name,
        summary=f"DINOv2 ViT-S/14 with a CosFace head for {len(people)} people of ORL; {what}",
        requests=requests,
        settings=settings,
        load=lambda: orl_faces(people, seed=0),
        base=faces,
        train=training,
        recipe=asdict(recipe),
        one_base=True,
        chosen=FACES,
        attack=0,
        checkpoints=checkpoints,
        budget=budget,
    )
    return _quick(made) if quick else made


def _quick(suite: Suite) -> Suite:
    """Two requests among six people, one open block: it shows that everything works and measures nothing."""
    named = {person for request in suite.requests for person in request}

    def load() -> Splits:
        splits = suite.load()
        stay = [c for c, person in enumerate(splits.classes) if person not in named][-4:]
        chosen = [*(splits.classes.index(request[0]) for request in suite.requests[:2]), *stay]
        return Splits(splits.train.only(chosen), splits.validation.only(chosen), splits.test.only(chosen))

    return replace(
        suite,
        requests=(suite.requests[0][:1], suite.requests[1][:1]),
        load=load,
        test=2,
        checkpoints=(2,),
        budget={"last_blocks": 1, "max_steps": 2, "batch_size": 2},
    )
