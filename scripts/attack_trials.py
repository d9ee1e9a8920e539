"""Takes measures of a suite's anchors and of some methods after one request: does a measure tell the oracle at all?

`python scripts/attack_trials.py glyphs inversion steering --methods closed-form "der++"` writes a table, a row each.
Models and oracles are those of `benchmarks/results/models`, or of `--models`; they are trained where they are missing.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from expunge.bench.stand import Stand, make_stand
from expunge.bench.suite import Suite, find_suite
from expunge.evidence import Case, make_measure
from expunge.evidence.take import take

MODELS = Path(__file__).parents[1] / "benchmarks/results/models"


def stand_of(suite_name: str, setting: str, seed: int, models: Path) -> Stand:
    """A stand without shadow models."""
    suite = find_suite(suite_name)
    if not isinstance(suite, Suite):
        sys.exit(f"expected a suite on classifiers, got {suite_name}; for detectors there is detection_trials.py")
    return make_stand(replace(suite, shadows=0), setting, seed, models, suite.load())


def cases(stand: Stand, number: int, methods: list[str]) -> Iterator[tuple[str, Case]]:
    """Original and oracle, then the methods, each after request `number`."""
    yield "original", stand.case(number, stand.original)
    oracle = stand.oracle("oracle-scratch", number).model
    yield "oracle-scratch", stand.case(number, stand.view(oracle), oracle)
    for method in methods:
        with stand.forgetting(method, stand.suite.tuned(method)) as steps:
            for request in range(number):
                steps.carry_out(request)
            yield method, stand.case(number, stand.view())


def tell(cells: list[str]) -> None:
    """Writes a row of the table at once."""
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def main() -> None:
    """Takes the measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("measures", nargs="+")
    parser.add_argument("--methods", nargs="*", default=["head-mask", "closed-form", "der++"])
    parser.add_argument("--setting", default="replay-10")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--request", type=int, default=1, help="after which request")
    parser.add_argument("--models", type=Path, default=MODELS)
    given = parser.parse_args()
    measures = [make_measure(name) for name in given.measures]
    columns = [key for measure in measures for key in measure.labels]
    tell(["model", *columns])
    tell(["---"] * (len(columns) + 1))
    stand = stand_of(given.suite, given.setting, given.seed, given.models)
    for name, case in cases(stand, given.request, given.methods):
        readings, skipped = take(case, measures)
        found = {reading.key: f"{reading.value:.1f}" for reading in readings}
        tell([name, *(found.get(key, "–") for key in columns)])
        for measure, reason in skipped.items():
            sys.stderr.write(f"{name}: no {measure}: {reason}\n")


if __name__ == "__main__":
    main()
