"""Would weights find one known class among strangers? `python scripts/strangers_weights.py [--seeds 3]`.

The untouched model of `glyphs-strangers` knows every class. Each request is taken as if it were the first: its classes,
one, five or twenty at a time, are held beside the strangers, by validation images. *now* is the test as it is.
*weighted* holds one row in its place, the rows' sum weighted by how classes that stay stand off from the candidates:
half of them are left out in turn beside the other half, and the weights are Fisher's, (C + ridge)⁻¹ d, with d the
standardised distance of the left-out classes from all candidates and C the mean of both covariances. The weights treat
forgotten classes and strangers alike, so the test stays exact. *both* adds that row to those of today.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.bench._bench import EVALUATION_SEEDS, Bench
from expunge.bench._models import ModelStore
from expunge.bench.suite import Suite, find_suite
from expunge.evidence import make_measure
from expunge.evidence.strangers import ByClass, Strangers, beside, line_up
from expunge.evidence.strangers._conformal import separation
from expunge.evidence.strangers.beside import LEVEL, turned

RESULTS = Path(__file__).parents[1] / "benchmarks/results"
SIZES, DRAWS, RIDGE = (1, 5, 20), 20, 0.1
Rows = Float[Tensor, "rows candidates"]


def lineups(bench: Bench) -> Iterator[tuple[Rows, Rows, int, int]]:
    """For each request the rows of its classes and the strangers; those of classes left out as well; and how many."""
    suite, splits, seed = bench.suite, bench.splits, EVALUATION_SEEDS + bench.seed
    assert suite.strangers is not None
    theirs = suite.strangers()
    both = [(splits.train, theirs.train, suite.attack), (splits.validation, theirs.validation, suite.test)]
    (attack, foreign_attack), (test, foreign_test) = (
        tuple(suite.limited(one, most, seed) for one in pair) for *pair, most in both
    )
    strangers = Strangers(foreign_attack, foreign_test)
    seen = bench.task.view(bench.cache, attack, test).features
    strange = strangers.seen_by(*bench.task.caches([bench.model]))
    made = [make_measure(name, task=suite.task) for name in suite.measures()]
    measures = [one for one in made if isinstance(one, ByClass) and not one.slow]

    def rows(retain: Sequence[int], forgotten: Sequence[int]) -> Mapping[str, Tensor]:
        where = (bench.model, seen, (attack, test), strangers, strange)
        lineup = line_up(*where, retain=retain, forgotten=forgotten, seed=bench.seed)
        stood = beside(lineup, measures) if lineup else None
        assert stood is not None
        return dict(zip(stood.keys, turned(stood.values, stood.sides), strict=True))

    for request in bench.requests:
        retain = [c for c in range(len(bench.classes)) if c not in request]
        order = torch.randperm(len(retain), generator=torch.Generator().manual_seed(bench.seed)).tolist()
        placed, rivals = ([retain[i] for i in sorted(half)] for half in (order[::2], order[1::2]))
        now, aside = rows(retain, request), rows(rivals, (*request, *placed))
        keys = [key for key in now if key in aside]
        values, others = (torch.stack([one[key] for key in keys]) for one in (now, aside))
        yield values, others, len(request), len(placed)


def weights(candidates: Rows, placed: Rows) -> Float[Tensor, " rows"]:
    """Fisher's direction from all candidates, in any order, to the classes that were left out."""
    centre, spread = candidates.mean(1, keepdim=True), candidates.std(1, unbiased=False, keepdim=True).clamp_min(1e-12)
    one, other = (candidates - centre) / spread, (placed - centre) / spread
    both = (one @ one.T / one.shape[1] + torch.cov(other)) / 2
    return torch.linalg.solve(both + RIDGE * torch.eye(len(both), dtype=both.dtype), other.mean(1))


def standard(values: Rows) -> Rows:
    """Each row with mean 0 and deviation 1."""
    return (values - values.mean(1, keepdim=True)) / values.std(1, unbiased=False, keepdim=True).clamp_min(1e-12)


def told(
    values: Rows, others: Rows, drawn: Int[Tensor, " size"], gone: int, aside: int, seed: int
) -> Mapping[str, float]:
    """p-values against "no better known" of some forgotten classes by each test."""
    some = torch.cat([values[:, drawn], values[:, gone:]], 1)
    pool = torch.cat([others[:, drawn], others[:, gone + aside :]], 1)
    row = weights(pool, others[:, gone : gone + aside]) @ standard(some)
    tests = {"now": some, "weighted": row[None], "both": torch.cat([some, standard(row[None])])}
    return {name: separation(one, len(drawn), seed=seed).known for name, one in tests.items()}


def main() -> None:
    """Prints a line of JSON a seed and number of classes: in what share of draws each test tells them, of how many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    suite = find_suite("glyphs-strangers")
    assert isinstance(suite, Suite)
    splits = suite.load()
    for seed in range(parser.parse_args().seeds):
        store = ModelStore(RESULTS / "models", suite, splits.train, RESULTS / "bases")
        made = list(lineups(Bench(suite, suite.settings[0], seed, splits, store)))
        for size in SIZES:
            found = [
                told(values, others, drawn, gone, aside, number)
                for values, others, gone, aside in made
                for number, drawn in enumerate(draws(gone, size))
            ]
            shares = {name: sum(one[name] < LEVEL for one in found) / len(found) for name in found[0]}
            line = {"seed": seed, "classes": size, "draws": len(found), "told": shares}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


def draws(forgotten: int, size: int) -> Sequence[Int[Tensor, " size"]]:
    """Every class by itself, or some choices of several."""
    generator = torch.Generator().manual_seed(0)
    if size == 1:
        return list(torch.arange(forgotten)[:, None])
    count = DRAWS if size < forgotten else 1
    return [torch.randperm(forgotten, generator=generator)[:size] for _ in range(count)]


if __name__ == "__main__":
    main()
