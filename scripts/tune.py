"""Chooses settings for every rival on validation images: `python scripts/tune.py small|faces [METHOD ...]`.

The same for all methods: five trials over at most two settings (the middle of both, and one step along each), with the
suites' budget and the seed-0 model. A trial's score is H on the validation images over all that was forgotten, averaged
over suites; of equal scores the first wins. No test image is loaded into a score.

- `small`: the first request of `glyphs` and the second of `fashion` (a T-shirt, which looks like what stays), with a
  tenth of the images. The models have not been trained on the validation images.
- `faces`: the first two requests of `faces` in a row, ten people, with four photos each. The recogniser has been
  trained on the validation photos, one a person; there are no others.

Writes src/expunge/bench/tuned/small.json or faces.json, trials included.
"""

import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from expunge.adapters import EditStack
from expunge.bench._bench import Bench
from expunge.bench._benches import make_bench
from expunge.bench._tuning import Grid, chosen, keep, rounded, search
from expunge.bench.suite import Suite
from expunge.bench.suites import faces, fashion, glyphs
from expunge.bench.tuned import FACES, SMALL
from expunge.errors import BenchError
from expunge.methods.sequence import Forgetting
from expunge.tasks.classification.accuracy import accuracy_of
from expunge.tasks.plan import Plan
from expunge.tasks.scores import harmonic_mean


@dataclass(frozen=True)
class Ground:
    """What is tuned on.

    Attributes:
        file: Where the trials are kept.
        setting: The suites' setting.
        requests: (a suite, the numbers of its requests from 0).
        lr: Learning rates of methods that train whole weights.
        retrain: Those of Retrain, which draws blocks anew.
        delete: Those of DELETE, which has no other setting.
    """

    file: Path
    setting: str
    requests: Sequence[tuple[Callable[[bool], Suite], tuple[int, ...]]]
    lr: tuple[float, float, float]
    retrain: tuple[float, ...]
    delete: tuple[float, ...]

    @property
    def grid(self) -> Mapping[str, Grid]:
        """What is tried. Deep Unlearning is not here: it searches on the validation images itself, every time."""
        dense: Grid = {"lr": self.lr}
        low_rank: Grid = {"lr": (5e-3, 1e-2, 3e-2)}
        beta: Grid = {"beta": (0.3, 1.0, 3.0)}
        weighed = ("l2", "ewc", "mas", "lwf", "der", "der++", "fdr", "scrub", "scrub-s", "random-labels", "salun")
        return {
            **{method: {**dense, **beta} for method in weighed},
            "lirf": {**dense, "replay": (1.0, 5.0, 20.0)},
            "retrain": {"lr": self.retrain},
            "neg-grad+": {**dense, "beta": (0.05, 0.2, 1.0)},
            "delete": {"lr": self.delete},
            "ssd": {"alpha": (0.0, 3.0, 10.0), "dampening": (0.1, 0.5, 1.0)},
            "damp": {"strength": (0.5, 1.0, 1.5, 2.0, 4.0)},
            "fg-oriu": {**low_rank, "forget_weight": (0.03, 0.1, 0.3)},
            "gs-lora": {**low_rank, **beta},
            "gs-lora++": {**low_rank, **beta},
        }


GROUNDS = {
    "small": Ground(
        SMALL,
        "replay-10",
        ((glyphs.suite, (0,)), (fashion.suite, (1,))),
        lr=(1e-3, 3e-3, 1e-2),
        retrain=(3e-4, 1e-3, 2e-3, 3e-3, 1e-2),
        delete=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    ),
    "faces": Ground(
        FACES,
        "4-shot",
        ((faces.suite, (0, 1)),),
        lr=(3e-5, 1e-4, 3e-4),
        retrain=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        delete=(1e-6, 3e-6, 1e-5, 3e-5, 1e-4),
    ),
}


def benches(ground: Ground, folder: Path) -> dict[str, Bench]:
    """One stand a suite, with the ground's requests alone."""
    found = {}
    for make, numbers in ground.requests:
        suite = make(False)
        bench = make_bench(suite, ground.setting, 0, folder, suite.load())
        bench.__dict__["plan"] = Plan(tuple(bench.plan.requests[number] for number in numbers))
        found[suite.name] = bench
    return found


def trial(bench: Bench, method: str, settings: Mapping[str, object]) -> dict[str, float]:
    """H on validation images after the stand's requests."""
    stack = EditStack(bench.model)
    images, targets = bench.data.validation, [c for request in bench.plan.requests for c in request]
    labels = torch.tensor(images.labels)
    rest = set(images.labels) - set(targets)
    before = accuracy_of(bench.cache.outputs(images).logits, labels, targets).percent
    made = bench.method(method, settings)
    cache = bench.activations(made.first_block(bench.model))
    forgetting = Forgetting(stack, bench.plan, made, bench.data, seed=999, activations=cache)
    forgetting.prepare()
    started = time.perf_counter()
    try:
        for number in range(len(bench.requests)):
            forgetting.carry_out(number)
        seconds = time.perf_counter() - started
        logits = bench.cache.outputs(images).logits
    finally:
        while stack.edits:
            stack.undo()
    kept, gone = accuracy_of(logits, labels, rest).percent, accuracy_of(logits, labels, targets).percent
    return {"h": harmonic_mean(kept, before - gone), "acc_f": gone, "acc_r": kept, "seconds": seconds}


def main() -> None:
    """Tunes the named methods, or all in the grid."""
    torch.set_num_threads(1)
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("ground", choices=GROUNDS)
    parser.add_argument("methods", nargs="*", metavar="METHOD")
    asked = parser.parse_args()
    ground = GROUNDS[asked.ground]
    try:
        grids = chosen(asked.methods, ground.grid)
    except BenchError as error:
        parser.error(str(error))
    with TemporaryDirectory() as folder:
        there = benches(ground, Path(folder))
        for method, grid in grids.items():

            def each(settings: Mapping[str, object], method: str = method) -> dict[str, object]:
                scores = {name: trial(bench, method, settings) for name, bench in there.items()}
                mean = sum(score["h"] for score in scores.values()) / len(scores)
                sys.stderr.write(f"{method} {settings} {mean:.1f} {scores}\n")
                return {"h": round(mean, 2), "suites": {name: rounded(score) for name, score in scores.items()}}

            keep(ground.file, method, search(grid, each))


if __name__ == "__main__":
    main()
