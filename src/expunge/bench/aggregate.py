"""From the cells of one suite and setting to one estimate a method and row: mean, interval, gap to the oracle."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from expunge.bench._derived import Bound, final_values, request_values
from expunge.bench._results import ANCHORS, FINETUNE, SCRATCH, Cell, Value
from expunge.bench._t_interval import t_interval
from expunge.bench._verdicts import CellVerdict, VerdictPair, cell_verdict, verdict_pair
from expunge.evidence import Aim, Task
from expunge.values import CLASSIFICATION

BoundSign = Literal["", "≤", "≥", "~"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One row of one method over its seeds.

    Attributes:
        mean: Mean over the seeds, in `unit`.
        low: Lower end of the 95 % interval: Student's t over the seeds, or with one seed the reading's own; None
            where that has none.
        high: Upper end.
        unit: See `expunge.evidence.Reading`.
        aim: What a good value is.
        n: Images, or other trials, of all seeds together.
        by_seed: Seed -> value.
        gaps: Seed -> value less that of oracle-scratch with the same seed; empty where there is no such oracle.
        bound: "≤" where `mean` is an upper bound, "≥" where it is a lower one, "~" where seeds bound it from both
            sides, "" where it is known. What is not known has neither interval nor gap.
    """

    mean: float
    low: float | None
    high: float | None
    unit: str
    aim: Aim
    n: int
    by_seed: Mapping[int, float]
    gaps: Mapping[int, float]
    bound: BoundSign = ""

    @property
    def gap(self) -> float | None:
        """Mean gap to oracle-scratch over the seeds that both have."""
        return fmean(self.gaps.values()) if self.gaps else None


@dataclass(frozen=True, slots=True)
class Absent:
    """Something that a complete benchmark would hold.

    Attributes:
        method: Method or anchor.
        seed: Seed, or None for all seeds.
        why: What is known of it.
    """

    method: str
    seed: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Summary:
    """One suite in one setting.

    Attributes:
        suite: Its name.
        setting: Name of the setting.
        methods: Rows of the table: the anchors, then the methods by name, whether there are cells or not.
        seeds: All seeds that any method has.
        requests: Length of the sequence.
        final: (method, key) -> estimate at the end of the sequence.
        steps: (method, key, request from 1) -> estimate after that request.
        absent: What is missing.
        skipped: (method, measure) -> why it was not taken after the last request.
        task: What the models do.
        verdicts: Method -> seed -> what the default policy says after the last request.
        beside: Method -> seed -> the same by strangers, and the two beside each other, where there are strangers.
    """

    suite: str
    setting: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    requests: int
    final: Mapping[tuple[str, str], Estimate]
    steps: Mapping[tuple[str, str, int], Estimate]
    absent: tuple[Absent, ...]
    skipped: Mapping[tuple[str, str], str]
    task: Task = CLASSIFICATION
    verdicts: Mapping[str, Mapping[int, CellVerdict]] = field(default_factory=dict)
    beside: Mapping[str, Mapping[int, VerdictPair]] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of all rows that any method has at the end, sorted."""
        return tuple(sorted({key for _, key in self.final}))

    @property
    def rivals(self) -> tuple[str, ...]:
        """The methods without the anchors."""
        return tuple(method for method in self.methods if method not in ANCHORS)


def summaries(cells: Sequence[Cell]) -> tuple[Summary, ...]:
    """One summary a suite and setting, sorted; a method that ran anywhere is expected wherever models do the same."""
    places: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        places.setdefault((cell.suite, cell.setting), []).append(cell)
    methods: dict[Task, set[str]] = {}
    for cell in cells:
        methods.setdefault(cell.task, set()).add(cell.method)
    return tuple(summarise(places[place], methods[places[place][0].task]) for place in sorted(places))


def summarise(cells: Sequence[Cell], expected: set[str] | None = None) -> Summary:
    """Puts the cells of one suite and setting together.

    Args:
        cells: At least one; all of the same suite and setting.
        expected: Methods that should be there beside those of `cells`; the anchors always should.
    """
    length, task = max(map(_reached, cells)), cells[0].task
    ran = {cell.method for cell in cells}
    found = {*ran, *(expected or ())}
    always = {*ANCHORS} - ({FINETUNE} if task != CLASSIFICATION else set())
    methods = (*(name for name in ANCHORS if name in always | found), *sorted(found - {*ANCHORS}))
    seeds = tuple(sorted({cell.seed for cell in cells}))
    table = {(cell.method, cell.seed): cell for cell in cells}
    final: dict[tuple[str, str], dict[int, Value]] = {}
    steps: dict[tuple[str, str, int], dict[int, Value]] = {}
    verdicts: dict[str, dict[int, CellVerdict]] = {}
    stood: dict[str, dict[int, VerdictPair]] = {}
    for (method, seed), cell in table.items():
        peers = {peer: table[peer, seed] for peer in ANCHORS if (peer, seed) in table}
        for request, values in zip(cell.requests, request_values(cell, peers), strict=True):
            for key, value in values.items():
                steps.setdefault((method, key, request.number), {})[seed] = value
        if _reached(cell) == length:
            for key, value in final_values(cell, peers).items():
                final.setdefault((method, key), {})[seed] = value
            if verdict := cell_verdict(cell, peers):
                verdicts.setdefault(method, {})[seed] = verdict
            if beside := verdict_pair(cell, peers):
                stood.setdefault(method, {})[seed] = beside
    last = [cell for cell in cells if _reached(cell) == length]
    return Summary(
        suite=cells[0].suite,
        setting=cells[0].setting,
        methods=methods,
        seeds=seeds,
        requests=length,
        final={at: _estimate(values, final.get((SCRATCH, at[1]), {})) for at, values in final.items()},
        steps={at: _estimate(values, steps.get((SCRATCH, *at[1:]), {})) for at, values in steps.items()},
        absent=tuple(_absent(table, methods, seeds, length)),
        skipped={(c.method, measure): why for c in last for measure, why in c.requests[-1].skipped.items()},
        task=task,
        verdicts=verdicts,
        beside=stood,
    )


def _reached(cell: Cell) -> int:
    """The last request of a cell; oracles have figures for some of the requests only."""
    return max((request.number for request in cell.requests), default=0)


def _estimate(values: Mapping[int, Value], oracle: Mapping[int, Value]) -> Estimate:
    by_seed = {seed: values[seed].value for seed in sorted(values)}
    first = values[min(values)]
    bound = _bound(values.values())
    low, high = (first.low, first.high) if len(values) == 1 else t_interval(list(by_seed.values()))
    gaps = {seed: value - oracle[seed].value for seed, value in by_seed.items() if seed in oracle}
    return Estimate(
        mean=fmean(by_seed.values()),
        low=None if bound else low,
        high=None if bound else high,
        unit=first.unit,
        aim=first.aim,
        n=sum(value.n for value in values.values()),
        by_seed=by_seed,
        gaps={} if bound else gaps,
        bound=bound,
    )


def _bound(values: Iterable[Value]) -> BoundSign:
    sides: list[BoundSign] = [value.side for value in values if isinstance(value, Bound)]
    if not sides:
        return ""
    return sides[0] if len(set(sides)) == 1 else "~"


def _absent(
    table: Mapping[tuple[str, int], Cell], methods: Sequence[str], seeds: Sequence[int], length: int
) -> Iterator[Absent]:
    for method in methods:
        there = [seed for seed in seeds if (method, seed) in table]
        if not there:
            yield Absent(method, None, "not run")
            continue
        for seed in seeds:
            if seed not in there:
                yield Absent(method, seed, "not run")
            elif (reached := _reached(table[method, seed])) < length:
                yield Absent(method, seed, f"ends after request {reached} of {length}")
