"""Tries methods on a Swin and on a ConvNeXt that learn from a tenth of Fashion-MNIST, which takes minutes.

`python scripts/outside_trials.py swin --out FILE` trains the model and its oracle, carries out the five requests of
`fashion` by each method, and writes a JSON line a method. `expunge bench run fashion-swin` does the same with all
images and measures, in an hour; these models answer worse. The test split is read once.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from closed_form_trials import value

from expunge.bench._benches import make_bench
from expunge.bench._cell import run_cell
from expunge.bench.suite import Suite, find_suite
from expunge.bench.suites._small import train_small
from expunge.bench.suites.fashion import TENTH
from expunge.bench.suites.outside import CONVNEXT, SWIN
from expunge.data import limited

RECIPES = {"swin": SWIN, "convnext": CONVNEXT}
MEASURES = (
    *("forgetting", "rows-in-place", "linear-probe", "prototype-relearning", "class-membership"),
    *("retrieval", "nearest-centre"),
)
ROWS = ("original", "oracle-scratch", "head-mask", "closed-form", "closed-form++", "der++")
RATES = ("acc_f", "acc_o", "acc_r", "h", "rows_in_place_acc_f", "rows_in_place_acc_o", "rows_in_place_h")


def suite_of(family: str, epochs: int, images: int) -> Suite:
    """The suite with so many training images a class, and measures that take seconds."""
    whole = find_suite(f"fashion-{family}")
    if not isinstance(whole, Suite):
        raise SystemExit(f"expected a suite on classifiers, got {whole.name}")
    recipe = replace(RECIPES[family], epochs=epochs)

    return replace(
        whole,
        name=f"{whole.name}-{images}",
        load=lambda: replace(splits := whole.load(), train=limited(splits.train, images, 0)),
        train=lambda examples, seed, start: train_small(recipe, examples, seed, start),
        recipe={**whole.recipe, **asdict(recipe)},
        taken=MEASURES,
    )


def main() -> None:
    """Runs the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=RECIPES)
    parser.add_argument(
        "rows", nargs="*", default=ROWS, help='an anchor or a method with settings, "METHOD KEY=VALUE …"'
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--images", type=int, default=TENTH, help="training images a class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, help="folder that keeps the models; by default they are not kept")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    suite = suite_of(given.family, given.epochs, given.images)
    with tempfile.TemporaryDirectory() as folder:
        models = given.models or Path(folder)
        bench = make_bench(suite, suite.settings[0].name, given.seed, models / "models", suite.load())
        for row in given.rows:
            method, *rest = row.split()
            settings = {key: value(text) for key, _, text in (part.partition("=") for part in rest)}
            requests = run_cell(bench, method, {**suite.tuned(method), **settings}, lambda progress: None)
            found = {key: [r.readings[key].value for r in requests if key in r.readings] for key in RATES}
            last = {key: one.value for key, one in requests[-1].readings.items() if key not in RATES}
            line = {"suite": suite.name, "epochs": given.epochs, "seed": given.seed, "method": row}
            line |= {"seconds": [round(r.seconds, 1) for r in requests], **found, **last}
            text = json.dumps(line)
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
            if given.out:
                with given.out.open("a", encoding="utf-8") as file:
                    file.write(text + "\n")


if __name__ == "__main__":
    main()
