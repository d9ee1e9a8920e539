"""Tries settings of the closed form's second version on validation images, with the head's rows put back.

`python scripts/innocence_trials.py glyphs closed-form "closed-form++ weight=1"` tells a line a request and a trial, and
one line of probes at the end. Half of the validation images are the method's, half stand in for the test; no test image
is read. *Rows in place*: answers under the original's head, as if no class had been struck. Models are those of
`benchmarks/results/bases`; oracles are kept in the folder `--models`, trained where they are missing.
"""

import argparse
import copy
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from closed_form_trials import PROBES, halves, tell, value
from torch import Tensor, nn

from expunge.bench._bench import Bench
from expunge.bench._models import ModelStore
from expunge.bench._results import ORIGINAL, SCRATCH
from expunge.bench.suite import Suite, find_suite
from expunge.data import Splits
from expunge.evidence import make_measure
from expunge.evidence.protocol import take
from expunge.tasks.views import View

RESULTS = Path(__file__).parents[1] / "benchmarks/results"
MEASURES = ("class-membership", "retrieval", "linear-probe", "prototype-relearning")


def bench_of(name: str, setting: str, seed: int, models: Path) -> Bench:
    """A stand that has no test images."""
    suite = find_suite(name)
    if not isinstance(suite, Suite):
        raise SystemExit(f"expected a suite on classifiers, got {name}")
    splits = suite.load()
    own, judged = halves(splits.validation)
    suite = replace(suite, test=min(suite.test or 100, 100), checkpoints=())
    store = ModelStore(models, suite, splits.train, RESULTS / "bases")
    return Bench(suite, suite.setting(setting), seed, Splits(splits.train, own, judged), store)


@dataclass(frozen=True)
class Judge:
    """Reads accuracies and probes of a stand's model."""

    bench: Bench
    head: nn.Module

    def accuracy(self, logits: Tensor, view: View, classes: Collection[int]) -> float:
        """Of the test's images of some classes, in percent."""
        rows = view.test.among(classes)
        right = logits[rows].argmax(1) == view.test.labels[rows]
        return 100 * float(right.float().mean()) if len(right) else float("nan")

    @torch.no_grad()
    def request(self, number: int, view: View) -> str:
        """Rows in place of the request's classes and of all earlier ones, Acc_r and Acc_m."""
        plan, seen = self.bench.plan, view.test
        rows = self.head(seen.embedding)
        said = [f"rows {self.accuracy(rows, view, plan.requests[number - 1]):.1f}"]
        if number > 1:
            said.append(f"earlier {self.accuracy(rows, view, plan.before(number - 1)):.1f}")
        said.append(f"Acc_r {self.accuracy(seen.logits, view, plan.retained(number - 1, len(self.stand.classes))):.1f}")
        if plan.missing:
            said.append(f"Acc_m {self.accuracy(seen.logits, view, plan.missing):.1f}")
        return ", ".join(said)

    def probes(self, number: int, view: View) -> str:
        """The features' measures after the last request."""
        case = self.bench.case(number, view)
        readings, _ = take(case, [make_measure(name) for name in MEASURES])
        found = {reading.key: reading.value for reading in readings}
        return ", ".join(f"{what} {found[key]:.1f}" for key, what in PROBES.items() if key in found)


def trial(bench: Bench, judge: Judge, method: str, settings: Mapping[str, object]) -> None:
    """All requests by one method."""
    last, seconds = len(bench.requests), 0.0
    with bench.forgetting(method, settings) as steps:
        for number in range(1, last + 1):
            started = time.process_time()
            edit = steps.carry_out(number - 1)
            seconds += time.process_time() - started
            view = bench.edited_view(steps.entry, attack=number == last)
            tell(f"  {number}: {judge.request(number, view)}, {seconds:.1f} CPU s, {edit.bytes / 1e6:.2f} MB")
            if number == last:
                tell(f"  end: {judge.probes(last, view)}")


def anchor(bench: Bench, judge: Judge, name: str) -> None:
    """The untouched model, or the oracle, after the last request."""
    last = len(bench.requests)
    view = bench.original if name == ORIGINAL else bench.view(bench.oracle(SCRATCH, last).model)
    tell(f"  {judge.request(last, view)}")
    tell(f"  end: {judge.probes(last, view)}")


def main() -> None:
    """Runs the anchors and the trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("trials", nargs="*", help='an anchor or a method with settings, "METHOD KEY=VALUE …"')
    parser.add_argument("--setting", default="replay-10")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, default=RESULTS / "models")
    given = parser.parse_args()
    bench = bench_of(given.suite, given.setting, given.seed, given.models)
    judge = Judge(bench, copy.deepcopy(bench.model.module.get_submodule(bench.model.head_name)).cpu())
    for text in given.trials or (ORIGINAL, SCRATCH, "closed-form", "closed-form++"):
        name, *rest = text.split()
        tell(f"{given.suite} {given.setting} seed {given.seed}: {text}")
        if name in (ORIGINAL, SCRATCH):
            anchor(bench, judge, name)
        else:
            trial(bench, judge, name, {key: value(v) for key, _, v in (part.partition("=") for part in rest)})


if __name__ == "__main__":
    main()
