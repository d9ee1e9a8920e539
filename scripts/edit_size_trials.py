"""Tries how small an edit of the closed form may be on validation images: half for the method, half to judge it.

`python scripts/edit_size_trials.py glyphs rank=16 "rank=16 half=1" agree=0.5 --out FILE` writes a JSON line a trial; no
test image is read. A trial names settings of the closed form and of what is cut from its edits: `rank`, the greatest;
`times`, the greatest for each class of the request;
`half`, factors in float16; `agree`, the least cosine of what two draws of states write in a direction that is kept;
`written`, the part that is kept of the energy of what an edit writes on the task's images, not of its own numbers.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from closed_form_trials import bench_of, value
from torch import Tensor
from torch.nn import functional

from expunge.adapters import Edit, EditStack, LowRank
from expunge.bench._bench import FORGETTING_SEEDS, Bench
from expunge.bench._clock import now
from expunge.evidence import make_measure
from expunge.evidence.protocol import take
from expunge.methods._layer_inputs import second_moments
from expunge.methods._ridge import low_rank
from expunge.methods.closed_form import ClosedForm
from expunge.methods.sequence import Forgetting
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask

EACH = ("forgetting", "rows-in-place")
LAST = ("linear-probe", "prototype-relearning", "class-membership", "retrieval")
SHOWN = (
    *("linear_probe", "prototype_relearning_1", "prototype_relearning_5", "prototype_relearning_10"),
    *("cmia_auc", "rank1"),
)
SECOND_DRAW = 500
"""What is added to the seed for the second draw of states."""


@dataclass(frozen=True)
class Cut(ClosedForm):
    """The closed form, with less of its edits kept; see the module."""

    name: ClassVar[str] = "closed-form-cut"

    rank: int = 0
    times: int = 0
    agree: float = 0.0
    written: float = 0.0

    def forget(self, context: Context, task: ForgetTask) -> Edit:
        """Solves as the closed form does, and cuts."""
        edit = super().forget(context, task)
        deltas = dict(edit.deltas)
        if self.agree:
            second = super().forget(replace(context, seed=context.seed + SECOND_DRAW), task)
            deltas = {name: self._common(low, second.deltas[name]) for name, low in deltas.items()}
        if self.written:
            going, staying = (
                second_moments(context.activations, part, list(deltas)) for part in (task.forget, task.retain)
            )
            balance = self.weight * len(set(task.retain.labels)) / len(task.targets)
            deltas = {name: self._seen(low, going[name] + balance * staying[name]) for name, low in deltas.items()}
        return replace(edit, deltas={name: self._cut(low, task) for name, low in deltas.items()})

    def _seen(self, low: LowRank, inputs: Tensor) -> LowRank:
        """The directions that hold most of what the change makes of its inputs: reduced-rank regression.

        With inputs of moments C the best B A of a rank, in the mean square of what is written, takes the first
        eigenvectors of dW C dW' (A. J. Izenman, Journal of Multivariate Analysis 5 (1975), 248-264).
        """
        change = low.delta()
        squares, vectors = torch.linalg.eigh(change @ inputs @ change.T)
        squares, vectors = squares.flip(0).clamp(min=0), vectors.flip(1)
        rank = int((squares.cumsum(0) < self.written * squares.sum()).sum()) + 1
        b = vectors[:, :rank]
        return LowRank((b.T @ change).float().contiguous(), b.float().contiguous())

    def _common(self, one: LowRank, two: LowRank) -> LowRank:
        """Directions of the mean change in which both draws write much the same."""
        first, second = one.delta(), two.delta()
        mean = low_rank((first + second) / 2, self.energy)
        directions = mean.b.double().T
        kept = functional.cosine_similarity(directions @ first, directions @ second, dim=1) >= self.agree
        kept[0] = True  # an edit has a direction
        return LowRank(mean.a[kept], mean.b[:, kept])

    def _cut(self, low: LowRank, task: ForgetTask) -> LowRank:
        # Directions come in the order of their energy.
        rank = min(self.rank or low.rank, self.times * len(task.targets) or low.rank)
        kept = LowRank(low.a[:rank].contiguous(), low.b[:, :rank].contiguous(), low.scale)
        return kept.half() if self.half else kept


def trial(bench: Bench, method: Cut, requests: int) -> dict[str, object]:
    """Carries the requests out; what the edits weigh, and what is found after each and after the last."""
    found: dict[str, list[float]] = {"bytes": [], "ranks": [], "seconds": []}
    with forgetting(bench, method) as steps:
        for number in range(1, requests + 1):
            started, last = now(bench.device), number == requests
            edit = steps.carry_out(number - 1)
            found["seconds"].append(round(now(bench.device) - started, 1))
            found["bytes"].append(edit.bytes)
            found["ranks"].append(sum(low.rank for low in edit.deltas.values()))
            case = bench.case(number, bench.edited_view(steps.entry, attack=last))
            readings, _ = take(case, map(make_measure, EACH + (LAST if last else ())))
            for reading in readings:
                if reading.key in ("acc_r", "rows_in_place_acc_f", "rows_in_place_acc_o", *SHOWN):
                    found.setdefault(reading.key, []).append(round(reading.value, 2))
    return dict(found)


@contextmanager
def forgetting(bench: Bench, method: Cut) -> Iterator[Forgetting]:
    """The stand's requests, to be carried out by `method`."""
    bench.original  # noqa: B018 - seen before the first edit
    bench.rows  # noqa: B018 - likewise
    stack, cache = EditStack(bench.model), bench.activations(method.first_block(bench.model))
    steps = Forgetting(stack, bench.plan, method, bench.data, seed=FORGETTING_SEEDS + bench.seed, activations=cache)
    try:
        yield steps
    finally:
        while stack.edits:
            stack.undo()


def main() -> None:
    """Runs the trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("trials", nargs="*", default=[""], help='settings of one trial, "KEY=VALUE KEY=VALUE"')
    parser.add_argument("--setting", default="replay-10")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--requests", type=int, help="only so many of the requests")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    bench = bench_of(given.suite, given.setting, given.seed)
    bench = replace(bench, suite=replace(bench.suite, checkpoints=()))  # no oracle is looked at
    for text in given.trials:
        settings = {key: value(number) for key, _, number in (part.partition("=") for part in text.split())}
        result = trial(bench, Cut(**cast("dict[str, Any]", settings)), given.requests or len(bench.requests))
        line = json.dumps({"suite": given.suite, "setting": given.setting, "seed": given.seed, "trial": text} | result)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        if given.out:
            with given.out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
