"""Do strangers let a detector pass that never saw who was forgotten? `python scripts/detection_controls.py`.

The suite's oracle of scenes saw the ten without a box, and was taught to be silent at them; nobody taught it to be so
at strangers. So it is no control. The one called *absent* is: it learns from scenes of the fourteen who stay, and has
met neither the ten nor the strangers. It takes as many steps as the suite's oracle, over half as many scenes.

Each model is asked twice. *apart*: the ten stand among those who stay, and strangers among themselves, as users bring
them. *together*: all forty stand in the same scenes, so that the company is alike, too. Attack scenes are of the
training split, the others of the validation split; no test scene. A line of JSON a model is appended to `--out`;
features and oracles are kept in benchmarks/results/models.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from expunge.adapters import Edit, EditStack
from expunge.bench._models import ModelStore, read_weights, write_weights
from expunge.bench._results import SCRATCH
from expunge.bench.scenes.detectors import FEATURES
from expunge.bench.scenes.suite import suite
from expunge.data import Scenes
from expunge.evidence import make_measures
from expunge.evidence.strangers import ByClass, Lineup, Strangers, beside, line_up
from expunge.methods import make_method
from expunge.methods.sequence import Forgetting
from expunge.tasks import Budget, Observed, View, available, task_of
from expunge.tasks.detection.views import observed
from expunge.tasks.plan import make_plan
from expunge.vision.detection import DetectionModel, ap50, mean
from expunge.vision.detection.scene_states import BorrowedStates, SceneCache, SceneView, look
from expunge.vision.detection.targets import target_of
from expunge.zoo.orl import PEOPLE
from expunge.zoo.scenes import CLASSES, RECIPE, SIDE, cache_features, train_scenes
from expunge.zoo.scenes.cutouts import STRANGERS
from expunge.zoo.scenes.data import composed_splits

MODELS = Path(__file__).parents[1] / "benchmarks/results/models"
GONE = 10
ABSENT = "absent"
NAMES = ("original", "head-mask", SCRATCH, ABSENT, "closed-form", "closed-form++")
PARTS: Mapping[str, tuple[int, tuple[str, ...], tuple[int, int]]] = {
    "own": (0, CLASSES, (400, 100)),
    "strangers": (0, STRANGERS, (160, 64)),
    "together": (5, PEOPLE, (200, 105)),
}
"""Scenes -> their seed, who may occur in them, and how many there are to attack with and to count on."""


@dataclass(frozen=True)
class World:
    """Scenes of all kinds, and what the frozen backbone makes of them.

    Attributes:
        cache: The untouched detector, states of all scenes kept.
        scenes: For each of `PARTS` the scenes to attack with and those to count on.
    """

    cache: SceneCache
    scenes: Mapping[str, tuple[Scenes, Scenes]]

    @classmethod
    def made(cls) -> "World":
        """Composes the scenes and reads their features, computed where they are not kept yet."""
        cache, found = SceneCache(suite(False).base(), 0, batch_size=16), {}
        for name, (seed, people, sizes) in PARTS.items():
            splits = composed_splits((*sizes, 0), seed, people)
            found[name] = (splits.train, splits.validation)
            for scenes, split in zip(found[name], ("train", "validation"), strict=True):
                _keep(cache, scenes, seed, split, people)
        return cls(cache, found)


def _keep(cache: SceneCache, scenes: Scenes, seed: int, split: str, people: tuple[str, ...]) -> None:
    """Puts features into the cache in the form of `DetectionModel.enter`."""
    size = torch.full((1, 2), float(SIDE))
    kept = cache_features(MODELS / FEATURES, seed=seed, split=split, n=len(scenes), people=people)
    for index, scene in enumerate(scenes.scenes):
        maps = kept.batch([index]).float().permute(0, 3, 1, 2).flatten(1)
        cache.put([scene.sample], torch.cat([maps, size], dim=1))


def control() -> DetectionModel:
    """The oracle in whose scenes the ten are not, trained where it is not kept yet."""
    path = MODELS / "control-absent.safetensors"
    if not path.is_file():
        started, recipe = time.perf_counter(), replace(RECIPE, scenes=512, epochs=12)
        trained = train_scenes(recipe, cache=MODELS / FEATURES, classes_without=CLASSES[:GONE], people=CLASSES[GONE:])
        write_weights(path, trained, time.perf_counter() - started)
    model = suite(False).base()
    model.module.get_submodule("detector").load_state_dict(read_weights(path)[0])
    return model


@contextmanager
def detector(name: str, world: World) -> Iterator[SceneCache]:
    """One of `NAMES`, the ten forgotten at once."""
    cache, made = world.cache, suite(False)
    splits = made.load()
    plan = make_plan(CLASSES, [CLASSES[:GONE]])
    stack = EditStack(cache.model)
    if name == ABSENT:
        yield BorrowedStates(control(), cache)
    elif name == SCRATCH:
        oracle = ModelStore(MODELS, made, splits.train).oracle(SCRATCH, plan.requests[0], 0)
        yield BorrowedStates(oracle.model, cache)
    else:
        if name == "head-mask":
            stack.push(Edit(masked=plan.requests[0]))
        elif name != "original":
            data = available(task_of(cache.model), splits, plan, Budget(), seed=0)
            method = make_method(name, task="detection", settings={})
            Forgetting(stack, plan, method, data, activations=cache).carry_out(0)
        yield cache
        while stack.edits:
            stack.undo()


def lineups(seen: SceneCache, world: World) -> Mapping[str, tuple[Lineup, SceneView]]:
    """The ten and the strangers apart and together; beside each what was seen of the scenes it is counted on."""
    views = {name: tuple(look(seen, part) for part in parts) for name, parts in world.scenes.items()}
    rows = {name: View(*(observed(one.objects) for one in pair)) for name, pair in views.items()}
    both = rows["together"]
    cut = len(CLASSES)
    ours = View(both.attack.only(range(cut)), both.test.only(range(cut)))
    theirs = View(_strange(both.attack, cut), _strange(both.test, cut))
    pairs = {"apart": (rows["own"], rows["strangers"], "own"), "together": (ours, theirs, "together")}
    found = {}
    for name, (own, others, counted) in pairs.items():
        lineup = line_up(
            seen.model,
            own,
            world.scenes["own"],
            Strangers(*world.scenes["strangers"]),
            others,
            retain=range(GONE, cut),
            forgotten=range(GONE),
        )
        assert lineup is not None
        found[name] = (lineup, views[counted][1])
    return found


def _strange(seen: Observed, cut: int) -> Observed:
    """Objects of strangers, numbered among themselves."""
    rows = seen.only(range(cut, len(PEOPLE)))
    return replace(rows, labels=rows.labels - cut)


def told(name: str, lineup: Lineup, measures: Sequence[ByClass]) -> Mapping[str, object]:
    """The verdict by strangers, in all and row by row, with the values behind it."""
    stood = beside(lineup, measures)
    assert stood is not None
    assert stood.told is not None
    areas = stood.areas.tolist()
    return {
        "company": name,
        "known_p": round(stood.told.known, 4),
        "hole_p": round(stood.told.hole, 4),
        "objects": stood.images,
        "rows": {
            key: {
                "area": round(areas[row], 3),
                "known_p": round(stood.told.row_known[row], 4),
                "hole_p": round(stood.told.row_hole[row], 4),
                "values": [round(value, 4) for value in stood.values[row].tolist()],
            }
            for row, key in enumerate(stood.keys)
        },
        "confidence": {
            who: round(_confidence(lineup, classes), 3)
            for who, classes in (
                ("ten", lineup.forgotten),
                ("strangers", lineup.strangers),
                ("retained", lineup.retain),
            )
        },
    }


def _confidence(lineup: Lineup, classes: tuple[int, ...]) -> float:
    """How sure the detector is, at an object of some classes, of the likeliest retained class, on average."""
    return float(lineup.view.test.only(classes).logits[:, list(lineup.retain)].sigmoid().amax(1).mean())


def precision(view: SceneView, scenes: Scenes) -> Mapping[str, float]:
    """AP50 on those who stay and on the ten."""
    found = replace(view, sizes=((1, 1),) * len(view)).found()
    each = ap50(found, [target_of(scene) for scene in scenes.scenes], len(CLASSES))
    return {"retained": round(mean(each[GONE:]), 1), "ten": round(mean(each[:GONE]), 1)}


def main() -> None:
    """Writes a line a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=NAMES)
    parser.add_argument("--out", type=Path, default=MODELS.parent / "controls/detectors.jsonl")
    given = parser.parse_args()
    world = World.made()
    measures = [one for one in make_measures(task="detection") if isinstance(one, ByClass) and not one.slow]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    for name in given.models:
        with detector(name, world) as seen:
            both = lineups(seen, world)
            line = {
                "model": name,
                "ap50": precision(both["apart"][1], world.scenes["own"][1]),
                "beside": [told(company, lineup, measures) for company, (lineup, _) in both.items()],
            }
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
