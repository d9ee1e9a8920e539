"""Takes measures of a suite's anchors and of some methods after one request: does a measure tell the oracle at all?

`python scripts/attack_trials.py glyphs inversion steering --methods closed-form "der++"` writes a table, a row each.
Models and oracles are those of `benchmarks/results/models`, or of `--models`; they are trained where they are missing.

With `--strangers 20` it writes for each value that can be taken class by class how well the forgotten classes are told
from twenty strangers (AUC), by a model that has learnt the forgotten classes and not the strangers, and by one that has
learnt neither. Strangers are classes that no request names.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from expunge.bench._bench import EVALUATION_SEEDS, Bench
from expunge.bench._benches import make_bench
from expunge.bench.suite import Suite, find_suite
from expunge.evidence import Case, Measure, make_measure
from expunge.evidence.measures._attacks import auc
from expunge.evidence.protocol import take
from expunge.evidence.strangers.lineup import ByClass, Lineup

MODELS = Path(__file__).parents[1] / "benchmarks/results/models"


def bench_of(suite_name: str, setting: str, seed: int, models: Path) -> Bench:
    """A stand without shadow models."""
    suite = find_suite(suite_name)
    if not isinstance(suite, Suite):
        sys.exit(f"expected a suite on classifiers, got {suite_name}; for detectors there is detection_trials.py")
    return make_bench(replace(suite, shadows=0), setting, seed, models, suite.load())


def cases(bench: Bench, number: int, methods: list[str]) -> Iterator[tuple[str, Case]]:
    """Original and oracle, then the methods, each after request `number`."""
    yield "original", bench.case(number, bench.original)
    oracle = bench.oracle("oracle-scratch", number).model
    yield "oracle-scratch", bench.case(number, bench.view(oracle), oracle)
    for method in methods:
        with bench.forgetting(method, bench.suite.tuned(method)) as steps:
            for request in range(number):
                steps.carry_out(request)
            yield method, bench.case(number, bench.view())


def lineups(bench: Bench, number: int, strangers: int) -> Iterator[tuple[str, Lineup]]:
    """A model that never saw so many classes that no request names, and one that never saw forgotten ones either."""
    plan = bench.plan
    named = {label for request in plan.requests for label in request}
    unseen = [label for label in range(len(bench.classes)) if label not in named][-strangers:]
    if len(unseen) < strangers:
        sys.exit(f"expected at most {len(unseen)} strangers, as so many classes are named by no request")
    forgotten = plan.before(number)
    for name, without in (("original", unseen), ("oracle-scratch", [*forgotten, *unseen])):
        model = bench.store.oracle("oracle-scratch", without, bench.seed).model
        retain = tuple(label for label in range(len(bench.classes)) if label not in {*forgotten, *unseen})
        seen, attack, test = bench.view(model), bench.attack, bench.test
        seed = EVALUATION_SEEDS + bench.seed
        yield name, Lineup(model, seen, attack, test, retain, tuple(forgotten), tuple(unseen), seed)


def told_apart(measure: ByClass, lineup: Lineup) -> dict[str, str]:
    """For each key the AUC of forgotten classes against strangers, and the mean of either."""
    found, n = {}, len(lineup.forgotten)
    for key, values in measure.by_class(lineup).items():
        sides = values[:n], values[n:]
        means = " / ".join(f"{float(side.mean()):.3f}" for side in sides)
        found[key] = f"{auc(*sides):.2f} ({means})"
    return found


def head(columns: list[str]) -> None:
    """Writes the head of the table."""
    tell(["model", *columns])
    tell(["---"] * (len(columns) + 1))


def tell(cells: list[str]) -> None:
    """Writes a row of the table at once."""
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def write_readings(bench: Bench, number: int, methods: list[str], measures: Sequence[Measure]) -> None:
    """A row each model, with the readings of all measures."""
    columns = [key for measure in measures for key in measure.labels]
    head(columns)
    for name, case in cases(bench, number, methods):
        readings, skipped = take(case, measures)
        found = {reading.key: f"{reading.value:.1f}" for reading in readings}
        tell([name, *(found.get(key, "–") for key in columns)])
        for measure, reason in skipped.items():
            sys.stderr.write(f"{name}: no {measure}: {reason}\n")


def write_strangers(bench: Bench, number: int, strangers: int, measures: Sequence[Measure]) -> None:
    """A row each model, with what strangers say of the forgotten classes."""
    able = [measure for measure in measures if isinstance(measure, ByClass)]
    columns = [key for measure in able for key in measure.known_side]
    head(columns)
    for name, lineup in lineups(bench, number, strangers):
        found = {key: text for measure in able for key, text in told_apart(measure, lineup).items()}
        tell([name, *(found.get(key, "–") for key in columns)])


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
    parser.add_argument("--strangers", type=int, default=0, help="how many; 0 for readings in place of values by class")
    given = parser.parse_args()
    measures = [make_measure(name) for name in given.measures]
    bench = bench_of(given.suite, given.setting, given.seed, given.models)
    if given.strangers:
        write_strangers(bench, given.request, given.strangers, measures)
    else:
        write_readings(bench, given.request, given.methods, measures)


if __name__ == "__main__":
    main()
