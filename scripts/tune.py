"""Chooses settings for every rival on validation images: `python scripts/tune.py [METHOD ...]`.

The same for all methods: five trials over at most two settings (the middle of both, and one step along each), on the
first request of `glyphs` and the second of `fashion` (a T-shirt, which looks like what stays), with the suites' budget
and the seed-0 model. A trial's score is H on the validation images, which the models have not been trained on, averaged
over both; of equal scores the first wins. No test image is loaded into a score.

Writes src/expunge/bench/tuned.json, trials included.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from expunge.adapters import EditStack
from expunge.bench.stand import Stand, budgeted, make_stand
from expunge.bench.suites import fashion, glyphs
from expunge.bench.tuned import CLASSIFIERS
from expunge.bench.tuning import Grid, chosen, keep, rounded, search
from expunge.evidence import accuracy_of, harmonic_mean
from expunge.methods.plan import Plan
from expunge.methods.sequence import Forgetting

DENSE = {"lr": (1e-3, 3e-3, 1e-2)}
LOW_RANK = {"lr": (5e-3, 1e-2, 3e-2)}
BETA = {"beta": (0.3, 1.0, 3.0)}
GRID: Mapping[str, Grid] = {
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


def main() -> None:
    """Tunes the named methods, or all in the grid."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        there = stands(Path(folder))
        for method, grid in chosen(sys.argv[1:], GRID):

            def both(settings: Mapping[str, object], method: str = method) -> dict[str, object]:
                scores = {name: trial(stand, method, settings) for name, stand in there.items()}
                mean = sum(score["h"] for score in scores.values()) / len(scores)
                sys.stderr.write(f"{method} {settings} {mean:.1f} {scores}\n")
                return {"h": round(mean, 2), "suites": {name: rounded(score) for name, score in scores.items()}}

            keep(CLASSIFIERS, method, search(grid, both))


if __name__ == "__main__":
    main()
