"""Times whole requests, and finds when a training first has the H of the closed form's second version.

`python scripts/seconds_at_h.py glyphs --out FILE` carries a suite's requests out by each method and writes a JSON line
a request. No step is extrapolated. H is that of validation images: methods are given none, and no test image is read. A
training is looked at after every epoch, as its weights are then; looks are counted for nobody, and neither are
prototypes. Seconds are of the processor, from reading images to the edit. H is read with the original's head rows in
place, and by the answers, where the closed forms have struck them. Ours is timed again after each training, as the
machine may not stay as fast.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import torch
from innocence_trials import RESULTS

from expunge.adapters import EditStack
from expunge.bench._bench import FORGETTING_SEEDS, Bench
from expunge.bench._models import ModelStore
from expunge.bench.suite import Suite, find_suite
from expunge.data import Splits
from expunge.evidence import make_measure
from expunge.evidence.protocol import take
from expunge.methods import Forgetting, Method, Training, method_presets
from expunge.tasks import Progress, harmonic_mean

OURS = "closed-form++"
PUBLISHED = method_presets("gs-lora++")["published"]
"""Constants and schedule of the paper's code."""

LONG = {"epochs": PUBLISHED["epochs"], "max_steps": 0, "batch_size": PUBLISHED["batch_size"]}
"""The published schedule alone, for settings that were chosen for the suite."""

KINDS = ("rows_in_place", "answers")
RATES = ("acc_f", "acc_o", "acc_r", "h")
JUDGED = 50
"""Validation images a class that H is read on, at the most."""

WITHIN = 1.0
"""Points of H below ours that count as the same."""


def bench_of(name: str, setting: str, shots: int, seed: int) -> Bench:
    """A stand whose methods have no validation image, and which is judged on them."""
    suite = find_suite(name)
    if not isinstance(suite, Suite):
        raise SystemExit(f"expected a suite on classifiers, got {name}")
    splits = suite.load()
    given = suite.setting(setting)
    if shots:
        given = replace(given, name=f"{shots}-shot", shots=shots, replay=1.0)
    suite = replace(suite, test=JUDGED, checkpoints=(), settings=(given,), budget={})
    store = ModelStore(RESULTS / "models", suite, splits.train, RESULTS / "bases")
    return Bench(suite, given, seed, Splits(splits.train, splits.validation.select([]), splits.validation), store)


class Watch:
    """Looks at a model after every epoch of a training, while the clock stands still."""

    def __init__(self, epoch: int, look: Callable[[], float]):
        """`epoch` is its steps; `look` gives H."""
        self._epoch, self._look, self._paused = epoch, look, 0.0
        self._started = time.process_time()
        self.seen: list[tuple[float, float]] = []

    @property
    def seconds(self) -> float:
        """Seconds of the processor so far, without looks."""
        return time.process_time() - self._started - self._paused

    def __call__(self, progress: Progress) -> None:
        """A step has ended."""
        if progress.done % self._epoch:
            return
        seconds, began = self.seconds, time.process_time()
        self.seen.append((round(seconds, 3), round(self._look(), 2)))
        self._paused += time.process_time() - began


@torch.no_grad()
def h_of(bench: Bench, number: int) -> float:
    """H after a request of the stand's model as it is now, in the middle of a training too."""
    cache, test, before = bench.cache, bench.test, bench.original.test
    right = torch.cat([cache.output(test, rows).logits.argmax(1) for rows in cache.batches(test)]) == before.labels
    gone, kept = (
        before.among(c) for c in (bench.requests[number - 1], bench.plan.retained(number - 1, len(bench.classes)))
    )
    was = before.logits.argmax(1) == before.labels
    drop = was[gone].float().mean() - right[gone].float().mean()
    return harmonic_mean(100 * float(right[kept].float().mean()), 100 * float(drop))


def rates(bench: Bench, number: int, entry: int, *, rows: bool) -> dict[str, float]:
    """The rates after a request, with the original's head rows in place or by the model's answers."""
    case = bench.case(number, bench.edited_view(entry, attack=False))
    readings, _ = take(case, [make_measure("rows-in-place" if rows else "forgetting")])
    found = {reading.key.removeprefix("rows_in_place_"): round(reading.value, 2) for reading in readings}
    return {key: found[key] for key in RATES if key in found}


@contextmanager
def forgetting(bench: Bench, method: Method) -> Iterator[Forgetting]:
    """The stand's requests, to be carried out by `method`, with a cache that holds nothing yet."""
    bench.original  # noqa: B018 - seen before the first edit
    bench.rows  # noqa: B018 - likewise
    stack = EditStack(bench.model)
    steps = Forgetting(stack, bench.plan, method, bench.data, seed=FORGETTING_SEEDS + bench.seed)
    try:
        steps.prepare()
        yield steps
    finally:
        while stack.edits:
            stack.undo()


def trial(bench: Bench, method: str, settings: dict[str, Any], requests: int) -> list[dict[str, Any]]:
    """A line a request."""
    found, made = [], bench.method(method, settings)
    with forgetting(bench, made) as steps:
        for number in range(1, requests + 1):
            retained = len(steps.task(number - 1).retain)
            epoch = ceil(retained / made.batch_size) if isinstance(made, Training) else sys.maxsize
            watch = Watch(epoch, lambda number=number: h_of(bench, number))
            steps.carry_out(number - 1, watch)
            line: dict[str, Any] = {"request": number, "cpu_seconds": round(watch.seconds, 3), "retained": retained}
            for kind in KINDS:
                line[kind] = rates(bench, number, steps.entry, rows=kind == "rows_in_place")
            found.append(line | ({"epochs": watch.seen} if watch.seen else {}))
    return found


def reached(line: Mapping[str, Any], h: float) -> float | None:
    """Seconds after which a training's H was at most `WITHIN` below `h`; None if it never was."""
    seen = [*line["epochs"], (line["cpu_seconds"], line["answers"]["h"])]
    return next((seconds for seconds, found in seen if found >= h - WITHIN), None)


def main() -> None:
    """Runs the trials, ours first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("--setting", default="replay-10")
    parser.add_argument("--shots", type=int, default=0, help="images a class, in place of a setting of the suite")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--requests", type=int, help="only so many of the requests")
    parser.add_argument("--constants", nargs="*", default=["published", "chosen settings"], help="of the training")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    bench = bench_of(given.suite, given.setting, given.shots, given.seed)
    requests = given.requests or len(bench.requests)
    trained = {"published": dict(PUBLISHED), "chosen settings": {**bench.suite.tuned("gs-lora++"), **LONG}}
    trials = [(OURS, OURS, {}), ("closed-form", "closed-form", {})]
    for name, settings in trained.items():
        if name in given.constants:
            trials += [(f"gs-lora++, {name}", "gs-lora++", settings), (OURS, OURS, {})]
    trial(bench, OURS, {}, 1)  # a warm-up
    ours: list[dict[str, Any]] = []
    for name, method, settings in trials:
        lines = trial(bench, method, settings, requests)
        ours = ours or lines
        for line, own in zip(lines, ours, strict=True):
            if "epochs" in line:
                line |= {f"at_h_of_{kind}": reached(line, own[kind]["h"]) for kind in KINDS}
            where = {"suite": given.suite, "setting": bench.setting.name, "seed": given.seed, "trial": name}
            text = json.dumps(where | line)
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
            if given.out:
                with given.out.open("a", encoding="utf-8") as file:
                    file.write(text + "\n")


if __name__ == "__main__":
    main()
