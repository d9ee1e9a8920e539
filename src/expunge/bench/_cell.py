"""Runs one cell: one method, or one anchor, over the whole sequence of requests."""

import math
from collections.abc import Callable, Iterator, Mapping

from expunge.adapters import Edit
from expunge.bench._bench import Bench
from expunge.bench._clock import now, release
from expunge.bench._memory import peak_memory
from expunge.bench._results import FINETUNE, ORIGINAL, SCRATCH, RequestResult, Value
from expunge.bench.benchmark import Taken
from expunge.tasks import Progress

Report = Callable[[Progress], None]


def run_cell(bench: Bench, method: str, settings: Mapping[str, object], report: Report) -> tuple[RequestResult, ...]:
    """Runs a cell and leaves the bench's model as it found it.

    Args:
        bench: Where it is run.
        method: Name of a method, or "original", "oracle-scratch", "oracle-finetune".
        settings: The method's own settings; the suite's budget is put over them.
        report: Told the requests done.
    """
    if method == ORIGINAL:
        return tuple(_original(bench, report))
    if method in (SCRATCH, FINETUNE):
        return tuple(_oracle(bench, method, report))
    return tuple(_requests(bench, method, settings, report))


def _requests(bench: Bench, method: str, settings: Mapping[str, object], report: Report) -> Iterator[RequestResult]:
    total = len(bench.requests)
    with bench.forgetting(method, settings) as steps:
        for number in range(1, total + 1):
            release(bench.device)
            with peak_memory(bench.device) as peak:
                started = now(bench.device)
                edit = steps.carry_out(number - 1)
                seconds = now(bench.device) - started
            task = steps.task(number - 1)
            images = (len(task.forget), len(task.retain))
            yield _result(bench, number, bench.of_edited(number, steps.entry), edit, images, seconds, peak.mb)
            report(Progress(number, total))


def _original(bench: Bench, report: Report) -> Iterator[RequestResult]:
    total = len(bench.requests)
    for number in range(1, total + 1):
        yield _result(bench, number, bench.of_original(number))
        report(Progress(number, total))


def _oracle(bench: Bench, kind: str, report: Report) -> Iterator[RequestResult]:
    total = len(bench.suite.checkpoints)
    for done, number in enumerate(bench.suite.checkpoints, start=1):
        oracle = bench.of_oracle(kind, number)
        yield _result(bench, number, oracle.taken, images=(0, oracle.images), seconds=oracle.seconds)
        report(Progress(done, total))


def _result(
    bench: Bench,
    number: int,
    taken: Taken,
    edit: Edit | None = None,
    images: tuple[int, int] = (0, 0),
    seconds: float = 0.0,
    peak_mb: float = 0.0,
) -> RequestResult:
    readings, skipped = taken
    finite = {reading.key: Value.of(reading) for reading in readings if math.isfinite(reading.value)}
    unknown = {reading.key: "not a finite number" for reading in readings if reading.key not in finite}
    return RequestResult(
        number=number,
        classes=tuple(bench.classes[c] for c in bench.requests[number - 1]),
        seconds=seconds,
        peak_mb=peak_mb,
        images=images,
        parameters=edit.parameters if edit else 0,
        bytes=edit.bytes if edit else 0,
        readings=finite,
        skipped={**skipped, **unknown},
    )
