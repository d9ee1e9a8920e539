"""Tries settings of the closed form on validation images: half for the method, half in the test's place.

`python scripts/closed_form_trials.py glyphs weight=3 "weight=10 passes=1"` tells a line a trial; no test image is read.
Models and oracles are those of `benchmarks/results/models`, trained where they are missing.
"""

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from expunge.bench._bench import Bench
from expunge.bench._benches import make_bench
from expunge.bench._cell import run_cell
from expunge.bench._results import RequestResult
from expunge.bench.suite import Suite, find_suite
from expunge.data import Images, Splits

MODELS = Path(__file__).parents[1] / "benchmarks/results/models"
ANCHORS = ("original", "head-mask", "oracle-scratch")
PROBES = {
    "cmia_auc": "CMIA",
    "rank1": "rank-1",
    "linear_probe": "probe",
    "prototype_relearning_1": "re-learning from 1 image",
    "prototype_relearning_5": "5",
    "prototype_relearning_10": "10",
}


def halves(images: Images) -> tuple[Images, Images]:
    """Every other image of each class."""
    seen: Counter[int] = Counter()
    rows: tuple[list[int], list[int]] = ([], [])
    for row, label in enumerate(images.labels):
        rows[seen[label] % 2].append(row)
        seen[label] += 1
    return images.select(rows[1]), images.select(rows[0])


def bench_of(suite_name: str, setting: str, seed: int) -> Bench:
    """A stand that has no test images."""
    suite = find_suite(suite_name)
    if not isinstance(suite, Suite):
        sys.exit(f"expected a suite on classifiers, got {suite_name}; for detectors there is detection_trials.py")
    splits = suite.load()
    own, judged = halves(splits.validation)
    return make_bench(
        replace(suite, test=min(suite.test or 100, 100)), setting, seed, MODELS, Splits(splits.train, own, judged)
    )


def line(title: str, requests: tuple[RequestResult, ...]) -> str:
    """Acc_r after each request, and the probes at the end."""
    retained = " ".join(f"{request.readings['acc_r'].value:.1f}" for request in requests)
    last = requests[-1].readings
    probes = ", ".join(f"{what} {last[key].value:.1f}" for key, what in PROBES.items() if key in last)
    return f"{title}: Acc_r {retained}; {probes}"


def value(text: str) -> object:
    """A number where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def tell(text: str) -> None:
    """Writes a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Runs the anchors and the trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("trials", nargs="*", default=[""], help='settings of one trial, "KEY=VALUE KEY=VALUE"')
    parser.add_argument("--setting", default="replay-10")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    bench = bench_of(given.suite, given.setting, given.seed)
    for anchor in ANCHORS:
        tell(line(anchor, run_cell(bench, anchor, {}, lambda progress: None)))
    for trial in given.trials:
        settings = {key: value(text) for key, _, text in (part.partition("=") for part in trial.split())}
        tell(line(trial or "defaults", run_cell(bench, "closed-form", settings, lambda progress: None)))


if __name__ == "__main__":
    main()
