"""Chooses settings for every rival on detectors, on validation scenes: `python scripts/tune_detectors.py [METHOD ...]`.

The same for all methods: five trials over at most two settings (the middle of both, and one step along each), on the
first request of `scenes` in the setting replay-10, with the suite's budget. A trial's score is H in AP50 on the 100
validation scenes, which the detector has not been trained on; of equal scores the first wins. No test scene is loaded
into a score. The closed form is not here: `scripts/detection_trials.py` chose its settings, on the same scenes.

Writes src/expunge/bench/tuned/scenes.json, trials included.
"""

import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from expunge.adapters import EditStack
from expunge.bench._bench import Bench
from expunge.bench._benches import open_benches
from expunge.bench._tuning import Grid, chosen, keep, rounded, search
from expunge.bench.scenes.suite import suite
from expunge.bench.tuned import DETECTORS
from expunge.errors import BenchError
from expunge.methods.sequence import Forgetting
from expunge.tasks.detection.batches import outputs
from expunge.tasks.scores import harmonic_mean
from expunge.vision.detection import ap50, detect, targets_of
from expunge.vision.detection.ap50 import mean

DENSE: Grid = {"lr": (1.5e-4, 5e-4, 1.5e-3)}
LOW_RANK: Grid = {"lr": (3e-3, 1e-2, 3e-2)}
BETA: Grid = {"beta": (0.15, 0.5, 1.5)}
GRID: Mapping[str, Grid] = {
    "l2": {**DENSE, **BETA},
    "ewc": {**DENSE, **BETA},
    "mas": {**DENSE, **BETA},
    "lwf": {**DENSE, **BETA},
    "der": {**DENSE, **BETA},
    "der++": {**DENSE, **BETA},
    "retrain": {"lr": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)},
    "neg-grad+": {**DENSE, "beta": (0.015, 0.05, 0.15)},
    "gs-lora": {**LOW_RANK, **BETA},
    "gs-lora++": {**LOW_RANK, **BETA},
}


def average_precisions(bench: Bench) -> tuple[float, float]:
    """AP50 in percent of the first request's classes and of what stays, on validation scenes."""
    scenes, targets = bench.data.validation, bench.requests[0]
    output = outputs(bench.cache, scenes)
    each = ap50(detect(output, [(1, 1)] * len(scenes)), targets_of(scenes), len(bench.classes))
    return mean([each[c] for c in targets]), mean([each[c] for c in range(len(each)) if c not in targets])


def trial(bench: Bench, method: str, settings: Mapping[str, object], before: float) -> dict[str, float]:
    """H on validation scenes after the first request; `before` is what AP50 of its classes was."""
    stack, made = EditStack(bench.model), bench.method(method, settings)
    steps = Forgetting(stack, bench.plan, made, bench.data, seed=999, activations=bench.activations(0))
    steps.prepare()
    started = time.perf_counter()
    try:
        steps.carry_out(0)
        seconds = time.perf_counter() - started
        gone, kept = average_precisions(bench)
    finally:
        while stack.edits:
            stack.undo()
    return rounded({"h": harmonic_mean(kept, before - gone), "acc_f": gone, "acc_r": kept, "seconds": seconds})


def main() -> None:
    """Tunes the named methods, or all in the grid."""
    torch.set_num_threads(1)
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD")
    try:
        grids = chosen(parser.parse_args().methods, GRID)
    except BenchError as error:
        parser.error(str(error))
    with TemporaryDirectory() as folder:
        bench = open_benches(suite(False), Path(folder))("replay-10", 0)
        before, _ = average_precisions(bench)
        for method, grid in grids.items():

            def one(settings: Mapping[str, object], method: str = method) -> dict[str, float]:
                score = trial(bench, method, settings, before)
                sys.stderr.write(f"{method} {settings} {score}\n")
                return score

            keep(DETECTORS, method, search(grid, one))


if __name__ == "__main__":
    main()
