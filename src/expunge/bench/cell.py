"""Runs one cell: one method, or one anchor, over the whole sequence of requests."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

from expunge.adapters import Edit, EditStack
from expunge.bench.memory import peak_memory
from expunge.bench.results import FINETUNE, ORIGINAL, SCRATCH, RequestResult, Value
from expunge.bench.stand import FORGETTING_SEEDS, Stand
from expunge.evidence import View, make_measure, measure_names
from expunge.evidence.take import take
from expunge.methods import Method, Progress, make_method, method_class
from expunge.methods.sequence import Forgetting
from expunge.vision import VisionModel

ALWAYS = ("forgetting",)
Report = Callable[[Progress], None]


def run_cell(stand: Stand, method: str, settings: Mapping[str, object], report: Report) -> tuple[RequestResult, ...]:
    """Runs a cell and leaves the stand's model as it found it.

    Args:
        stand: Where it is run.
        method: Name of a method, or "original", "oracle-scratch", "oracle-finetune".
        settings: The method's own settings; the suite's budget is put over them.
        report: Told the requests done.
    """
    if method == ORIGINAL:
        return tuple(_original(stand, report))
    if method in (SCRATCH, FINETUNE):
        return tuple(_oracle(stand, method, report))
    stack = EditStack(stand.model)
    try:
        return tuple(_requests(stand, stack, budgeted(stand, method, settings), report))
    finally:
        while stack.edits:
            stack.undo()


def budgeted(stand: Stand, method: str, settings: Mapping[str, object]) -> Method:
    """The method with its settings and those of the suite's budget that it has."""
    known = {field.name for field in fields(method_class(method))}
    budget = {name: value for name, value in stand.suite.budget.items() if name in known}
    return make_method(method, settings={**settings, **budget})


def _requests(stand: Stand, stack: EditStack, method: Method, report: Report) -> Iterator[RequestResult]:
    stand.original  # noqa: B018 - seen before the first edit
    cache = stand.activations(method.first_block(stand.model))
    seed = FORGETTING_SEEDS + stand.seed
    forgetting = Forgetting(stack, stand.plan, method, stand.data, seed=seed, activations=cache)
    forgetting.prepare()
    total = len(stand.plan.requests)
    for number in range(1, total + 1):
        with peak_memory(stand.model.device) as peak:
            started = time.perf_counter()
            edit = forgetting.carry_out(number - 1)
            seconds = time.perf_counter() - started
        task = forgetting.task(number - 1)
        images = (len(task.forget), len(task.retain))
        view = stand.view(attack=number in stand.suite.checkpoints)
        yield _result(stand, number, view, None, edit, images, seconds, peak.mb)
        report(Progress(number, total))


def _original(stand: Stand, report: Report) -> Iterator[RequestResult]:
    total = len(stand.plan.requests)
    for number in range(1, total + 1):
        yield _result(stand, number, stand.original, None, Edit(), (0, 0), 0.0, 0.0)
        report(Progress(number, total))


def _oracle(stand: Stand, kind: str, report: Report) -> Iterator[RequestResult]:
    total = len(stand.suite.checkpoints)
    for done, number in enumerate(stand.suite.checkpoints, start=1):
        made = stand.oracle(SCRATCH if kind == SCRATCH else FINETUNE, number)
        images = (0, len(stand.splits.train.without(stand.plan.before(number))))
        yield _result(stand, number, stand.view(made.model), made.model, Edit(), images, made.seconds, 0.0)
        report(Progress(done, total))


def _result(
    stand: Stand,
    number: int,
    view: View,
    model: VisionModel | None,
    edit: Edit,
    images: tuple[int, int],
    seconds: float,
    peak_mb: float,
) -> RequestResult:
    names = measure_names() if number in stand.suite.checkpoints else ALWAYS
    readings, skipped = take(stand.case(number, view, model), [make_measure(name) for name in names])
    finite = {reading.key: Value.of(reading) for reading in readings if math.isfinite(reading.value)}
    unknown = {reading.key: "not a finite number" for reading in readings if reading.key not in finite}
    return RequestResult(
        number=number,
        classes=tuple(stand.splits.classes[c] for c in stand.plan.requests[number - 1]),
        seconds=seconds,
        peak_mb=peak_mb,
        images=images,
        parameters=edit.parameters,
        bytes=edit.bytes,
        readings=finite,
        skipped={**skipped, **unknown},
    )
