"""What chose the closed form's settings for detectors: `python scripts/detection_trials.py [NAME=VALUE,... ...]`.

The zoo's detector forgets ten people at once, with all 400 training scenes of the suite; figures are counted on its 100
validation scenes, never on test scenes. Beside them stand the original, the head mask, and oracles that
`expunge bench run scenes` has trained into benchmarks/results/models.
"""

import sys
from dataclasses import replace
from pathlib import Path

from expunge.adapters import Edit, EditStack
from expunge.bench.scenes.stand import limited_objects
from expunge.bench.scenes.store import DetectorStore
from expunge.bench.scenes.suite import suite
from expunge.evidence.detection.protocol import DetectionView, SceneCase
from expunge.evidence.detection.registry import detection_measure_names, make_detection_measure
from expunge.evidence.take import take
from expunge.methods.detection import make_detection_method
from expunge.methods.detection.sequence import SceneForgetting, available_scenes
from expunge.methods.plan import make_plan
from expunge.vision.scene_states import BorrowedStates, SceneCache, look

MODELS = Path(__file__).parents[1] / "benchmarks/results/models"
KEYS = ("acc_f", "acc_r", "linear_probe", *(f"prototype_relearning_{k}" for k in (1, 5, 10)), "relabelled")
TRIALS = (
    "silence=0,weight=3,passes=2",
    "silence=0.5,weight=3,passes=2",
    "silence=1,weight=3,passes=2",
    "silence=0.3,weight=1,passes=1",
    "silence=0.3,weight=1,passes=2",
    "",
)


def main() -> None:
    """Prints a row a trial."""
    made = suite(False)
    splits, model = made.load(), made.base()
    cache = SceneCache(model, 0, batch_size=16)
    plan = make_plan(model.classes, [[name for request in made.requests for name in request]])
    data = available_scenes(splits.train, splits.validation, plan, shots=None, fraction=1.0, seed=0)

    def view(seen: SceneCache) -> DetectionView:
        objects = limited_objects(look(seen, splits.train).objects, made.attack)
        return DetectionView(objects, look(seen, splits.validation))

    original = view(cache)
    case = SceneCase(
        view=original,
        original=original,
        oracle=None,
        truth=splits.validation,
        forget=plan.requests[0],
        earlier=(),
        retain=plan.retained(0, len(model.classes)),
    )

    def show(name: str, now: DetectionView) -> None:
        readings, _ = take(replace(case, view=now), map(make_detection_measure, detection_measure_names()))
        values = {reading.key: reading.value for reading in readings}
        sys.stdout.write(f"{name:36}" + "".join(f"{values[key]:8.1f}" for key in KEYS) + "\n")
        sys.stdout.flush()

    sys.stdout.write(f"{'':36}" + "".join(f"{key[-8:]:>8}" for key in KEYS) + "\n")
    show("original", original)
    store = DetectorStore(MODELS, made)
    for seed in range(3):
        detector, _ = store.oracle([name for request in made.requests for name in request], seed)
        show(f"oracle, seed {seed}", view(BorrowedStates(detector, cache)))
    stack = EditStack(model)
    stack.push(Edit(masked=plan.requests[0]))
    show("head mask", view(cache))
    stack.undo()
    for trial in sys.argv[1:] or TRIALS:
        settings = dict(part.split("=", 1) for part in trial.split(",") if part)
        method = make_detection_method("closed-form", settings=settings)
        SceneForgetting(stack, plan, method, data, activations=cache).carry_out(0)
        show(trial or "as it is", view(cache))
        stack.undo()


if __name__ == "__main__":
    main()
