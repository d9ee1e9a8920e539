"""What chose settings of closed forms for detectors: `python scripts/detection_trials.py [METHOD:NAME=VALUE,... ...]`.

The zoo's detector forgets ten people at once, with all 400 training scenes of the suite; figures are counted on its 100
validation scenes, never on test scenes. Beside them stand the original, the head mask, and oracles of `SEEDS`, trained
into benchmarks/results/models where `expunge bench run scenes` has not done so yet. The last columns say how the ten
stand beside strangers: the chance, in percent, that one of them looks better known than one of the 16.
"""

import sys
from dataclasses import replace
from pathlib import Path

from expunge.adapters import Edit, EditStack
from expunge.bench._bench import first_rows
from expunge.bench._models import ModelStore
from expunge.bench._results import SCRATCH
from expunge.bench.scenes.suite import suite
from expunge.evidence import Case, make_measures
from expunge.evidence.protocol import take
from expunge.evidence.strangers.beside import beside
from expunge.evidence.strangers.lineup import ByClass
from expunge.evidence.strangers.sample import Strangers, line_up
from expunge.methods import make_method
from expunge.methods.sequence import Forgetting
from expunge.tasks import Budget, available, task_of
from expunge.tasks.detection.views import DetectionView
from expunge.tasks.plan import make_plan
from expunge.tasks.rows import HeadRows
from expunge.vision.detection.scene_states import BorrowedStates, SceneCache, look
from expunge.zoo.scenes.data import scene_strangers

MODELS = Path(__file__).parents[1] / "benchmarks/results/models"
SEEDS = range(3)
KEYS = (
    *("rows_in_place_acc_f", "rows_in_place_acc_f_worst", "acc_r", "linear_probe"),
    *(*(f"prototype_relearning_{k}" for k in (1, 5, 10)), "relabelled", "silent"),
)
BESIDE = ("prototype_relearning_1", "prototype_relearning_5", "linear_probe")
STRANGERS = (160, 64, 0)
"""Scenes of strangers: as many objects each as the ten have, or a few more."""

TRIALS = (
    "silence=0,weight=3,passes=2",
    "silence=0.5,weight=3,passes=2",
    "silence=1,weight=3,passes=2",
    "silence=0.3,weight=1,passes=1",
    "silence=0.3,weight=1,passes=2",
    "",
    "closed-form++:",
)


def main() -> None:
    """Prints a row a trial."""
    made = suite(False)
    splits, model = made.load(), made.base()
    cache = SceneCache(model, 0, batch_size=16)
    plan = make_plan(model.classes, [[name for request in made.requests for name in request]])
    data = available(task_of(model), splits, plan, Budget(), seed=0)

    def view(seen: SceneCache) -> DetectionView:
        objects = first_rows(look(seen, splits.train).objects, made.attack)
        return DetectionView(objects, look(seen, splits.validation, features=True))

    original, theirs = view(cache), scene_strangers(STRANGERS)
    unseen = Strangers(theirs.train, theirs.validation)
    case = Case(
        model=model,
        view=original,
        original=original,
        oracle=None,
        attack=splits.train,
        test=splits.validation,
        forget=plan.requests[0],
        earlier=(),
        retain=plan.retained(0, len(model.classes)),
        rows=HeadRows.of(model),
    )
    measures = make_measures(task="detection")

    def show(name: str, seen: SceneCache, rows: HeadRows | None = case.rows) -> None:
        readings, _ = take(replace(case, view=view(seen), rows=rows), measures)
        values = {reading.key: reading.value for reading in readings}
        whole = DetectionView(look(seen, case.attack).objects, view(seen).test).features
        both, theirs = (case.attack, case.test), unseen.seen_by(seen)
        lineup = line_up(seen.model, whole, both, unseen, theirs, retain=case.retain, forgotten=case.forget)
        stood = beside(lineup, [one for one in measures if isinstance(one, ByClass)]) if lineup else None
        areas = dict(zip(stood.keys, (100 * stood.areas).tolist(), strict=True)) if stood else {}
        columns = (*(values[key] for key in KEYS), *(areas.get(key, float("nan")) for key in BESIDE))
        sys.stdout.write(f"{name:36}" + "".join(f"{value:8.1f}" for value in columns) + "\n")
        sys.stdout.flush()

    sys.stdout.write(f"{'':36}" + "".join(f"{key[-7:]:>8}" for key in (*KEYS, *BESIDE)) + "\n")
    show("original", cache)
    store = ModelStore(MODELS, made, splits.train)
    for seed in SEEDS:
        detector = store.oracle(SCRATCH, plan.requests[0], seed).model
        show(f"oracle, seed {seed}", BorrowedStates(detector, cache), HeadRows.of(detector))
    stack = EditStack(model)
    stack.push(Edit(masked=plan.requests[0]))
    show("head mask", cache)
    stack.undo()
    for trial in sys.argv[1:] or TRIALS:
        name, _, text = trial.rpartition(":")
        settings = dict(part.split("=", 1) for part in text.split(",") if part)
        method = make_method(name or "closed-form", task="detection", settings=settings)
        Forgetting(stack, plan, method, data, activations=cache).carry_out(0)
        show(trial or "as it is", cache)
        stack.undo()


if __name__ == "__main__":
    main()
