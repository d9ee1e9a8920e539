"""Can a request choose its own strength? Rules that know no oracle, beside what an oracle says of their choice.

`python scripts/strength_trials.py glyphs fashion --seeds 0 1` carries out all requests by each candidate and writes
what rules see, and the oracle, to docs/results/strength.json as soon as it is there; what is there is not run again.
`--table` tells the file. Rules see training images and one half of the validation images, which the method does not
use; the oracle's distance is taken on the other half, as `tradeoff.py` takes it. No test image is read.

- *Strangers*: how far from one half the areas of forgotten classes beside strangers lie, over cheap rows.
- *Left out*: the same beside retained classes, half of which stand in the strangers' place.
- *Target*: how far the probes lie from those of the embeddings that the solves aim at, each forget image at the
  retained class that it resembles, with what sets it apart from its own.
"""

import argparse
import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from closed_form_trials import PROBES, tell
from innocence_trials import MEASURES, RESULTS, Judge, bench_of
from tradeoff import METHOD, gap, read

from expunge.bench._bench import Bench
from expunge.bench._results import ORIGINAL, SCRATCH
from expunge.bench.suite import find_suite
from expunge.durable import replace_file
from expunge.evidence import make_measure
from expunge.evidence.protocol import take
from expunge.evidence.strangers import ByClass, Lineup, Strangers, beside, line_up
from expunge.evidence.strangers.sample import left_out
from expunge.tasks import Observed
from expunge.tasks.views import View

FILE = Path(__file__).parents[1] / "docs/results/strength.json"
STRANGERS = {"glyphs": "glyphs-strangers"}
"""Suites of the same classes that have strangers."""

CANDIDATES: tuple[Mapping[str, object], ...] = (
    {},
    {"weight": 0.3, "depth": "thorough"},
    {"weight": 0.3},
    {"weight": 1.0, "depth": "thorough"},
)
ROWS = ("nearest-centre", "linear-probe", "answers", "prototype-relearning")
TARGET = "target"


@dataclass(frozen=True)
class Rules:
    """What a request can see without an oracle, after the last request of a stand."""

    bench: Bench

    @cached_property
    def images(self) -> tuple[Any, Any]:
        """Training images, and the validation images that the stand's test does not have."""
        suite, splits, seed = self.bench.suite, self.bench.splits, self.bench.seed
        return suite.limited(splits.train, suite.attack, seed), suite.limited(splits.validation, suite.test, seed)

    @cached_property
    def strangers(self) -> Strangers[Any] | None:
        """The strangers' training and validation images; None where nobody has any."""
        suite = find_suite(STRANGERS.get(self.bench.suite.name, self.bench.suite.name))
        if suite.strangers is None:
            return None
        splits, own, seed = suite.strangers(), self.bench.suite, self.bench.seed
        return Strangers(own.limited(splits.train, own.attack, seed), own.limited(splits.validation, own.test, seed))

    @cached_property
    def classes(self) -> dict[str, tuple[int, ...]]:
        """All classes that go, and those that stay."""
        last, plan = len(self.bench.requests), self.bench.plan
        return {"forgotten": plan.before(last), "retain": plan.retained(last - 1, len(self.bench.classes))}

    def view(self, cache: Any) -> View:
        """A model's view of the images."""
        return View(*(self.bench.task.observe(cache, part) for part in self.images))

    def probes(self, view: View, original: View) -> dict[str, float]:
        """The features' measures on the images that rules see."""
        case = self.bench.case(len(self.bench.requests), view)
        case = replace(case, original=original, attack=self.images[0], test=self.images[1])
        readings, _ = take(case, [make_measure(name) for name in MEASURES])
        return {reading.key: reading.value for reading in readings if reading.key in PROBES}

    def areas(self, lineup: Lineup | None) -> dict[str, float]:
        """For each row the chance, in percent, that a forgotten class looks better known than a rival."""
        made = [one for one in map(make_measure, ROWS) if isinstance(one, ByClass)]
        found = beside(lineup, made) if lineup else None
        return {} if found is None else dict(zip(found.keys, (100 * found.areas).tolist(), strict=True))

    def seen(self, cache: Any, original: View) -> dict[str, dict[str, float]]:
        """What each rule sees of a model."""
        view, seed = self.view(cache), self.bench.seed
        around = {"retain": self.classes["retain"], "forgotten": self.classes["forgotten"], "seed": seed}
        found = {"probes": self.probes(view, original)}
        found["left out"] = self.areas(left_out(cache.model, view, self.images, **around))
        if self.strangers:
            theirs = self.strangers.seen_by(cache)
            found["strangers"] = self.areas(line_up(cache.model, view, self.images, self.strangers, theirs, **around))
        return found

    def aimed(self, original: View, head: torch.nn.Module) -> View:
        """The original's view with forget images where the solves would have them, as an innocent model might."""
        gone, stays = self.classes["forgotten"], list(self.classes["retain"])
        centres = torch.stack([original.attack.only([c]).embedding.mean(0) for c in range(len(self.bench.classes))])

        @torch.no_grad()
        def moved(seen: Observed) -> Observed:
            near = torch.tensor(stays)[seen.logits[:, stays].argmax(1)]
            there = torch.isin(seen.labels, torch.tensor(gone))[:, None]
            at = torch.where(there, seen.embedding + centres[near] - centres[seen.labels], seen.embedding)
            logits = head(at)
            logits[:, list(gone)] = seen.logits.new_tensor(float("-inf"))
            return replace(seen, embedding=at, logits=logits, layers=())

        return View(moved(original.attack), moved(original.test))


def points(suite: str, seed: int, known: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and figures of every point that is not known."""
    wanted = {json.dumps(one): one for one in CANDIDATES}
    if known >= {ORIGINAL, SCRATCH, TARGET, *wanted}:
        return
    bench = bench_of(suite, "replay-10", seed, RESULTS / "models")
    head = copy.deepcopy(bench.model.module.get_submodule(bench.model.head_name)).cpu()
    judge, rules, last = Judge(bench, head), Rules(bench), len(bench.requests)
    cache = bench.task.cache(bench.model, bench.method(METHOD, {}).first_block(bench.model))
    original = rules.view(cache)
    if ORIGINAL not in known:
        yield ORIGINAL, {"read": read(bench, judge, bench.original), **rules.seen(cache, original)}
    if TARGET not in known:
        yield TARGET, {"probes": rules.probes(rules.aimed(original, head), original)}
    if SCRATCH not in known:
        model = bench.oracle(SCRATCH, last).model
        oracle = bench.suite.cache(model, None)
        yield SCRATCH, {"read": read(bench, judge, bench.view(model)), **rules.seen(oracle, original)}
    for name, settings in wanted.items():
        if name not in known:
            started = time.process_time()
            with bench.forgetting(METHOD, settings) as steps:
                for number in range(last):
                    steps.carry_out(number)
                spent = {"seconds": time.process_time() - started}
                figures = read(bench, judge, bench.edited_view(steps.entry, attack=True))
                started = time.process_time()
                # Not the default's cache: a thorough edit begins in a lower block.
                seen = rules.seen(bench.task.cache(bench.model, steps.entry), original)
                spent["rule seconds"] = time.process_time() - started
                yield name, {"read": figures, **seen, "spent": spent}


def off(areas: Mapping[str, float]) -> float:
    """How far areas lie from one half in the mean, in points."""
    return math.fsum(abs(area - 50) for area in areas.values()) / len(areas) if areas else math.nan


def but_relearning(areas: Mapping[str, float]) -> dict[str, float]:
    """Rows of centres, of the linear probe and of answers."""
    return {key: area for key, area in areas.items() if not key.startswith("prototype")}


RULES: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], float]] = {
    "gap to the oracle": lambda one, stand: gap(one["read"], stand[SCRATCH]["read"]),
    "strangers": lambda one, stand: off(one.get("strangers", {})),
    "of these, without re-learning": lambda one, stand: off(but_relearning(one.get("strangers", {}))),
    "left out": lambda one, stand: off(one["left out"]),
    "target": lambda one, stand: gap(one["probes"], stand[TARGET]["probes"]),
}
"""What is least of the candidate that is chosen: the oracle's own choice first, then those of the rules."""


def table(title: str, found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """One line a point, in Markdown, and what each rule chooses: the gap of its choice."""
    yield f"| {title} | Acc_r | rows, last / earlier | {' | '.join(RULES)} |"
    yield "|" + "---|" * (3 + len(RULES))
    for name, one in found.items():
        if name != TARGET:
            acc, *rows = (f"{one['read'][key]:.1f}" for key in ("acc_r", "rows_f", "rows_o"))
            values = [rule(one, found) for rule in RULES.values()]
            told = " | ".join("–" if math.isnan(value) else f"{value:.1f}" for value in values)
            yield f"| {name} | {acc} | {' / '.join(rows)} | {told} |"
    yield f"| gap of what is chosen | | | {' | '.join(chosen(rule, found) for rule in RULES.values())} |"


def chosen(rule: Callable[..., float], stand: Mapping[str, Mapping[str, Any]]) -> str:
    """The oracle's distance from what a rule chooses; a dash where it cannot be asked."""
    values = {name: rule(stand[name], stand) for name in map(json.dumps, CANDIDATES) if name in stand}
    if not values or any(map(math.isnan, values.values())):
        return "–"
    return f"{gap(stand[min(values, key=values.__getitem__)]['read'], stand[SCRATCH]['read']):.1f}"


def rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The same to two places."""
    return {group: {key: round(value, 2) for key, value in part.items()} for group, part in figures.items()}


def main() -> None:
    """Runs what is missing, or tells what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=["glyphs", "fashion"])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    if given.table:
        for title, found in kept.items():
            tell("\n".join(table(title, found)) + "\n")
        return
    for seed in given.seeds:
        for suite in given.suites:
            found = kept.setdefault(f"{suite}, seed {seed}", {})
            for name, figures in points(suite, seed, set(found)):
                found[name] = rounded(figures)
                replace_file(FILE, (json.dumps(kept, indent=1) + "\n").encode())
                tell(f"{suite} {seed}: {name} {found[name]}")


if __name__ == "__main__":
    main()
