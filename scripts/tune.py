"""Chooses settings for every rival on validation images: `python scripts/tune.py [METHOD ...]`.

The same for all methods: five trials over at most two settings (the middle of both, and one step along each), on the
first request of `glyphs` and the second of `fashion` (a T-shirt, which looks like what stays), with the suites' budget
and the seed-0 model. A trial's score is H on the validation images, which the models have not been trained on, averaged
over both; of equal scores the first wins. No test image is loaded into a score.

Writes src/expunge/bench/tuned.json, trials included.
"""

import fcntl
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from expunge.adapters import EditStack
from expunge.bench.stand import Stand, budgeted, make_stand
from expunge.bench.suites import fashion, glyphs
from expunge.bench.tuned import FILE
from expunge.evidence import accuracy_of, harmonic_mean
from expunge.methods.plan import Plan
from expunge.methods.sequence import Forgetting

DENSE = {"lr": (1e-3, 3e-3, 1e-2)}
LOW_RANK = {"lr": (5e-3, 1e-2, 3e-2)}
BETA = {"beta": (0.3, 1.0, 3.0)}
GRID: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "l2": DENSE | BETA,
    "ewc": DENSE | BETA,
    "mas": DENSE | BETA,
    "lwf": DENSE | BETA,
    "der": DENSE | BETA,
    "der++": DENSE | BETA,
    "fdr": DENSE | BETA,
    "scrub": DENSE | {"beta": (0.3, 1.0, 3.0)},
    "scrub-s": DENSE | {"beta": (0.3, 1.0, 3.0)},
    "lirf": DENSE | {"replay": (1.0, 5.0, 20.0)},
    "retrain": {"lr": (3e-4, 1e-3, 2e-3, 3e-3, 1e-2)},
    "neg-grad+": DENSE | {"beta": (0.05, 0.2, 1.0)},
    "random-labels": DENSE | {"beta": (0.3, 1.0, 3.0)},
    "salun": DENSE | {"beta": (0.3, 1.0, 3.0)},
    "delete": {"lr": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)},
    "ssd": {"alpha": (0.0, 3.0, 10.0), "dampening": (0.1, 0.5, 1.0)},
    "damp": {"strength": (0.5, 1.0, 1.5, 2.0, 4.0)},
    "fg-oriu": LOW_RANK | {"forget_weight": (0.03, 0.1, 0.3)},
    "gs-lora": LOW_RANK | BETA,
    "gs-lora++": LOW_RANK | BETA,
}
"""Deep Unlearning is not here: it searches its two settings on the validation images itself, for every request."""

REQUESTS = {"glyphs": 0, "fashion": 1}
SUITES = {"glyphs": glyphs.suite, "fashion": fashion.suite}


def stands(folder: Path) -> dict[str, Stand]:
    """One stand a suite, with one request each."""
    found = {}
    for name, number in REQUESTS.items():
        suite = SUITES[name](False)
        stand = make_stand(suite, "replay-10", 0, folder, suite.load())
        stand.__dict__["plan"] = Plan((stand.plan.requests[number],))
        found[name] = stand
    return found


def trial(stand: Stand, method: str, settings: Mapping[str, object]) -> dict[str, float]:
    """H on validation images after the stand's request."""
    stack = EditStack(stand.model)
    images, targets = stand.data.validation, stand.plan.requests[0]
    labels = torch.tensor(images.labels)
    rest = set(images.labels) - set(targets)
    before = accuracy_of(stand.cache.outputs(images).logits, labels, targets).percent
    made = budgeted(stand, method, settings)
    cache = stand.activations(made.first_block(stand.model))
    forgetting = Forgetting(stack, stand.plan, made, stand.data, seed=999, activations=cache)
    forgetting.prepare()
    started = time.perf_counter()
    try:
        forgetting.carry_out(0)
        seconds = time.perf_counter() - started
        logits = stand.cache.outputs(images).logits
    finally:
        while stack.edits:
            stack.undo()
    kept, gone = accuracy_of(logits, labels, rest).percent, accuracy_of(logits, labels, targets).percent
    return {"h": harmonic_mean(kept, before - gone), "acc_f": gone, "acc_r": kept, "seconds": seconds}


def star(grid: Mapping[str, tuple[object, ...]]) -> list[dict[str, object]]:
    """All values of each setting with the other one at its middle, the middle of both first."""
    middle = {name: values[len(values) // 2] for name, values in grid.items()}
    arms = [{**middle, name: value} for name, values in grid.items() for value in values]
    return [middle, *(arm for arm in arms if arm != middle)]


def tune(method: str, there: Mapping[str, Stand]) -> dict[str, object]:
    """All trials of one method and the best settings."""
    trials = []
    for settings in star(GRID[method]):
        scores = {name: trial(stand, method, settings) for name, stand in there.items()}
        mean = sum(score["h"] for score in scores.values()) / len(scores)
        rounded = {n: {k: round(v, 2) for k, v in score.items()} for n, score in scores.items()}
        trials.append({"settings": settings, "h": round(mean, 2), "suites": rounded})
        sys.stderr.write(f"{method} {settings} {mean:.1f} {rounded}\n")
    best = max(trials, key=lambda one: one["h"])
    return {"settings": best["settings"], "trials": trials}


def main() -> None:
    """Tunes the named methods, or all in the grid."""
    torch.set_num_threads(1)
    chosen = sys.argv[1:] or list(GRID)
    with TemporaryDirectory() as folder:
        there = stands(Path(folder))
        for method in chosen:
            found = tune(method, there)
            keep(method, found)


def keep(method: str, found: Mapping[str, object]) -> None:
    """Adds one method to the file; several processes may do so at once."""
    with FILE.open("r+", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        kept = json.load(handle)
        for part in ("settings", "trials"):
            kept[part] = dict(sorted({**kept.get(part, {}), method: found[part]}.items()))
        handle.seek(0)
        handle.write(json.dumps(kept, indent=1) + "\n")
        handle.truncate()


if __name__ == "__main__":
    main()
