"""A whole run: all methods on all models, then how ours grows."""

import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from expunge.bench._clock import now
from expunge.bench._machine import commit, machine
from expunge.bench.speed._compare import ORACLE, Found, compare
from expunge.bench.speed._growth import DEFAULT_GRID, QUICK_GRID, growth
from expunge.bench.speed._limits import MINUTES, QUICK, TimeLimits, limits_for
from expunge.bench.speed._subjects import QUICK_SUBJECT, TimedModel, check_subject, make_subject, subject_names
from expunge.bench.speed.results import Model, Skipped, Speed, Timing
from expunge.bench.speed.table import as_markdown
from expunge.durable import replace_file
from expunge.errors import BenchError, MissingExtraError, OutputError
from expunge.methods import Method, make_method, method_class
from expunge.tasks import Progress

OURS = "closed-form"
METHODS = (OURS, "closed-form++", "gs-lora", "gs-lora++", "fg-oriu", ORACLE)
IMAGES, QUICK_IMAGES = (1, 4, 16, 64), (1, 2)
PUBLISHED = "published"
"""The preset that is taken where a method has it."""

Report = Callable[[str, Progress], None]


def run_speed(
    *,
    models: Sequence[str] | None = None,
    images: Sequence[int] | None = None,
    methods: Sequence[str] | None = None,
    device: torch.device = torch.device("cpu"),  # noqa: B008 - a value
    quick: bool = False,
    command: str = "",
    minutes: int = MINUTES,
    report: Report = lambda what, progress: None,
) -> Speed:
    """Times methods side by side.

    Args:
        models: Names of models; None for all.
        images: Numbers of images a class; None for 1, 4, 16 and 64.
        methods: Names of methods, and "oracle"; None for ours, the published rivals and the oracle.
        device: Where.
        quick: Only show that it works, on a tiny model unless `models` says otherwise.
        command: What was called, for the record.
        minutes: About how long it may take; has no effect on a quick run.
        report: Told what is being done and how far it is.

    Raises:
        BenchError: An unknown model, a number of images below 1, something named twice, or no method but the oracle.
        MethodError: An unknown method.
    """
    names = tuple(models or ((QUICK_SUBJECT,) if quick else subject_names()))
    counts = tuple(images or (QUICK_IMAGES if quick else IMAGES))
    rows = tuple(methods or METHODS)
    _check(names, counts, rows)
    chosen = [(row, None if row == ORACLE else usual(row)) for row in rows]
    reference = OURS if OURS in rows else next(row for row in rows if row != ORACLE)
    limits = QUICK if quick else limits_for(minutes)
    code, started = commit(), now(device)
    found = [*_timed(names, chosen, counts, limits, started, device, report)]
    grid = QUICK_GRID if quick else DEFAULT_GRID
    end = started + limits.total
    curves = tuple(growth(reference, grid, limits, end, device, lambda note: report("growth", Progress(0, 1, note))))
    report("growth", Progress(1, 1))
    return Speed(
        command=command,
        commit=code,
        machine=machine(str(device)),
        reference=reference,
        models=tuple(one for one in found if isinstance(one, Model)),
        timings=tuple(one for one in found if isinstance(one, Timing)),
        skipped=tuple(one for one in found if isinstance(one, Skipped)),
        growth=curves,
    )


def _timed(
    names: Sequence[str],
    chosen: Sequence[tuple[str, Method | None]],
    counts: Sequence[int],
    limits: TimeLimits,
    started: float,
    device: torch.device,
    report: Report,
) -> Iterator[Model | Found]:
    """Each model, and what was measured on it or why not; the growth's part of the time is left."""
    for part, name in enumerate(names, start=1):
        report(name, Progress(0, 1, "preparing"))
        try:
            subject = make_subject(name, device)
        except MissingExtraError as error:
            yield Skipped(model=name, method="", images=None, reason=str(error))
            continue
        yield _described(subject)

        def tell(note: str, name: str = name) -> None:
            report(name, Progress(0, 1, note))

        until = started + limits.total * part / (len(names) + 1)
        yield from compare(subject, chosen, counts, limits, until, tell)
        report(name, Progress(1, 1))
        del subject
        gc.collect()  # a large model leaves before the next one comes


def usual(name: str) -> Method:
    """The method with its published preset, or with its defaults where it has none."""
    return make_method(name, preset=PUBLISHED if PUBLISHED in method_class(name).presets else None)


def write(result: Speed, out: Path) -> tuple[Path, ...]:
    """Writes `speed.json` and `speed.md` into a folder, each under its final name only when it is whole.

    Raises:
        OutputError: The folder cannot be written to.
    """
    paths = (out / "speed.json", out / "speed.md")
    for path, text in zip(paths, (result.to_json(), as_markdown(result)), strict=True):
        try:
            replace_file(path, text.encode())
        except OSError as error:
            raise OutputError(f"cannot write to {out}: {error.strerror}. Choose another --out.") from error
    return paths


def _check(names: Sequence[str], counts: Sequence[int], rows: Sequence[str]) -> None:
    for kind, given in (("model", names), ("number of images", counts), ("method", rows)):
        twice = [one for number, one in enumerate(given) if one in given[:number]]
        if twice:
            raise BenchError(f"{kind} {twice[0]!r} is named twice; name each once")
    if min(counts) < 1:
        raise BenchError(f"expected at least 1 image a class, got {min(counts)}")
    if set(rows) <= {ORACLE}:
        raise BenchError(f"expected a method beside the oracle to compare it with, e.g. --methods {OURS},{ORACLE}")
    for name in names:
        check_subject(name)


def _described(subject: TimedModel) -> Model:
    model = subject.model
    return Model(
        name=subject.name,
        summary=subject.summary,
        parameters=model.num_parameters,
        blocks=len(model.blocks),
        classes=len(model.classes),
        pictured=subject.pictured,
    )
