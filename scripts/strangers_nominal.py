"""How often classes that a model never saw are told from strangers all the same: `python scripts/strangers_nominal.py`.

The oracle of `glyphs-strangers` after the last request never saw eighty characters, nor the strangers. Of the eighty
some are drawn at random, many times, and held beside the strangers: at a level of 5 % no more than 5 % of draws should
be told from them, a side. The same draws of the untouched model, which knows all eighty, say how often it is caught.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.bench._bench import Bench
from expunge.bench._benches import make_bench
from expunge.bench._results import SCRATCH
from expunge.bench.suite import Suite, find_suite
from expunge.evidence import Case
from expunge.evidence.strangers._conformal import separation
from expunge.evidence.strangers.beside import LEVEL, turned

SIZES = (1, 5, 20)


def values(case: Case) -> Float[Tensor, "rows candidates"]:
    """All rows of a model, turned so that great values are of known classes."""
    assert case.beside is not None
    return turned(case.beside.values, case.beside.sides)


def shares(rows: Float[Tensor, "rows candidates"], forgotten: int, size: int, draws: int) -> Mapping[str, float]:
    """In what share of draws the drawn classes are told from the strangers, a side."""
    generator, known, hole = torch.Generator().manual_seed(0), 0, 0
    for draw in range(draws):
        drawn = torch.randperm(forgotten, generator=generator)[:size]
        told = separation(torch.cat([rows[:, drawn], rows[:, forgotten:]], 1), size, seed=draw)
        known, hole = known + (told.known <= LEVEL), hole + (told.hole <= LEVEL)
    return {"known": known / draws, "hole": hole / draws}


def of_stand(bench: Bench, draws: int) -> Mapping[str, object]:
    """Both models of one seed, for each number of classes."""
    last = max(bench.suite.checkpoints)
    oracle = bench.oracle(SCRATCH, last).model
    cases = {"original": bench.case(last, bench.original), SCRATCH: bench.case(last, bench.view(oracle), oracle)}
    return {
        name: {size: shares(values(case), len(case.forgotten), size, draws) for size in SIZES}
        for name, case in cases.items()
    }


def main() -> None:
    """Prints one line of JSON a seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=150)
    parser.add_argument("--models", type=Path, default=Path("benchmarks/results/models"))
    arguments = parser.parse_args()
    suite = find_suite("glyphs-strangers")
    assert isinstance(suite, Suite)
    splits = suite.load()
    for seed in range(arguments.seeds):
        bench = make_bench(suite, suite.settings[0].name, seed, arguments.models, splits)
        sys.stdout.write(json.dumps({"seed": seed, **of_stand(bench, arguments.draws)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
