"""Figures that are not measured on one model but follow from cells: costs, RTE, erosion, relapse, AIN."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from expunge.bench._results import FINETUNE, ORIGINAL, SCRATCH, Cell, RequestResult, Value
from expunge.tasks import Task, find_task

Peers = Mapping[str, Cell]
"""Method or anchor -> its cell of the same suite, setting and seed."""

INDEX_OF = {"relearn_time": "anamnesis_index", "relearn_time_rows_alike": "anamnesis_index_rows_alike"}
"""Row of re-learning steps -> the row of the index that follows from them."""
RETRAINED = (SCRATCH, FINETUNE)
"""Rows whose memory nobody measured: they were trained whenever that was."""
MILLION = 1_000_000


class Bound(Value):
    """A value of which only a bound is known: "≤" where it is at most what stands here, "≥" where it is at least."""

    side: Literal["≤", "≥"]


def request_values(cell: Cell, peers: Peers) -> tuple[dict[str, Value], ...]:
    """For each request of `cell`, its readings and, beside them, what follows from them.

    Keys added: `seconds`, `edited_mb`, `edited_parameters`, and, where what they need is there, `peak_mb`, `rte`,
    `erosion`, `relapse`, `anamnesis_index` and `anamnesis_index_rows_alike`.
    """
    found = []
    for index, request in enumerate(cell.requests):
        values = {**_costs(cell, [request]), **request.readings}
        original, scratch = (_same_request(peers.get(name), request) for name in (ORIGINAL, SCRATCH))
        if scratch and request.seconds > 0:
            values["rte"] = _plain(scratch.seconds / request.seconds, "ratio", 1, "high")
        if original and (lost := _erosion(request, original)):
            values["erosion"] = lost
        if back := _relapse(cell.requests[:index], request, find_task(cell.task)):
            values["relapse"] = back
        indices = {index: _anamnesis(steps, request, scratch) for steps, index in INDEX_OF.items()} if scratch else {}
        values |= {key: index for key, index in indices.items() if index}
        found.append(values)
    return tuple(found)


def final_values(cell: Cell, peers: Peers) -> dict[str, Value]:
    """Values at the end: those after the last request, and the costs of the whole sequence.

    `seconds` is the mean a request, `peak_mb` the greatest of all requests, `edited_mb` the sum over all edits, and
    `rte` the seconds of oracle-scratch divided by those of `cell`, both over the requests that the oracle has.
    """
    values = request_values(cell, peers)[-1] | _costs(cell, cell.requests)
    values.pop("rte", None)
    both = [(request, same) for request in cell.requests if (same := _same_request(peers.get(SCRATCH), request))]
    spent, retraining = sum(ours.seconds for ours, _ in both), sum(oracle.seconds for _, oracle in both)
    if spent > 0:
        values["rte"] = _plain(retraining / spent, "ratio", len(both), "high")
    return values


def _costs(cell: Cell, requests: Sequence[RequestResult]) -> dict[str, Value]:
    n = len(requests)
    edited = sum(request.bytes for request in requests) / MILLION
    numbers = sum(request.parameters for request in requests) / MILLION
    found = {
        "seconds": _plain(fmean(request.seconds for request in requests), "s", n, "low"),
        "edited_mb": _plain(edited, "MB", n, "low"),
        "edited_parameters": _plain(numbers, "million", n, "low"),
    }
    if cell.base and cell.method not in RETRAINED:  # see RequestResult.peak_mb
        found["peak_mb"] = _plain(max(request.peak_mb for request in requests), "MB", n, "low")
    return found


def _erosion(request: RequestResult, original: RequestResult) -> Value | None:
    """Accuracy that the retained classes have lost since before the first request, in percentage points."""
    now, before = request.readings.get("acc_r"), original.readings.get("acc_r")
    return _plain(before.value - now.value, "%", now.n, "low") if now and before else None


def _relapse(earlier: Sequence[RequestResult], request: RequestResult, task: Task[Any, Any]) -> Value | None:
    """Accuracy that forgotten classes have won back since their own requests, in percentage points.

    Acc_o now, less the accuracy on the same classes right after each was forgotten: Acc_f then, weighted by images, or,
    where rates are means over classes, as AP50 is, by classes. Unknown for an oracle, which has figures for some
    requests only.
    """
    now = request.readings.get("acc_o")
    past = [(one.readings["acc_f"], len(one.classes)) for one in earlier if "acc_f" in one.readings]
    weights = [value.n if task.alone else classes for value, classes in past]
    if now is None or len(past) != request.number - 1 or not sum(weights):
        return None
    forgotten = sum(value.value * weight for (value, _), weight in zip(past, weights, strict=True)) / sum(weights)
    return _plain(now.value - forgotten, "%", now.n, "low")


def _anamnesis(steps: str, request: RequestResult, scratch: RequestResult) -> Value | None:
    """The anamnesis index: re-learning steps against those of the oracle; 1 where the class is as new to both.

    Steps are counted up to a cap: with the oracle at it the ratio is an upper bound, with ours a lower one, and with
    both nothing is known of it: None.
    """
    ours, oracle = request.readings.get(steps), scratch.readings.get(steps)
    if ours is None or oracle is None:
        return None
    from expunge.evidence.measures import anamnesis_bound, anamnesis_index

    ratio = _plain(float(anamnesis_index(ours.value, oracle.value)), "ratio", ours.n, "oracle")
    match anamnesis_bound(ours.value, oracle.value):
        case "at_most":
            return Bound(**ratio.model_dump(), side="≤")
        case "at_least":
            return Bound(**ratio.model_dump(), side="≥")
        case "unknown":
            return None
        case None:
            return ratio


def _same_request(cell: Cell | None, request: RequestResult) -> RequestResult | None:
    """The request of the same classes and number in another cell."""
    there = cell.requests if cell else ()
    same = (r for r in there if r.number == request.number and set(r.classes) == set(request.classes))
    return next(same, None)


def _plain(value: float, unit: str, n: int, aim: str) -> Value:
    return Value.model_validate({"value": value, "unit": unit, "n": n, "aim": aim})
