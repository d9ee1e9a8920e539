"""The result as Markdown; the same result gives the same text."""

from collections.abc import Iterator, Sequence

from expunge.bench._columns import figure
from expunge.bench._results import Machine
from expunge.bench.speed.results import Curve, GrowthPoint, Model, Speed, Timing

NONE = "–"
HEADINGS = ("images a class", "method", "seconds", "ratio", "steps", "peak MB", "images read", "forward", "backward")
RIGHT = {*HEADINGS, "against the first"} - {"method"}


def as_markdown(result: Speed) -> str:
    """One table a model, what was left out, and one table a curve."""
    parts = ["# Speed", _where(result), _reading(result)]
    for model in result.models:
        parts += [f"## {model.name}", _model(model), _timings(result, model.name), _schedules(result, model.name)]
    parts += ["## Left out", _skipped(result)] if result.skipped else []
    parts += [f"## How the seconds of {result.reference} grow"] if result.growth else []
    parts += [part for curve in result.growth for part in (f"### {curve.of}", f"{curve.fixed}.", _curve(curve))]
    return "\n\n".join(part for part in parts if part) + "\n"


def ratio(result: Speed, timing: Timing) -> float | None:
    """Ratio to the reference's seconds; of an oracle, to the reference's with fewest images.

    None where the reference was not measured there.
    """
    ours = {
        one.images: one.seconds
        for one in result.timings
        if one.model == timing.model and one.method == result.reference and one.images is not None
    }
    images = timing.images if timing.images is not None else min(ours, default=None)
    return timing.seconds / ours[images] if images in ours else None


def _where(result: Speed) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result.machine.versions.items()))
    rows = [
        ("machine", _machine(result.machine)),
        ("versions", versions),
        ("commit", result.commit[:12] or "unknown"),
        ("command", f"`{result.command}`"),
    ]
    return _table(("", ""), rows)


def _machine(machine: Machine) -> str:
    threads = f"{machine.threads} thread{'s' if machine.threads != 1 else ''}"
    return f"{machine.processor}, {machine.cores} cores, {threads}, {machine.memory_gb:.0f} GB, {machine.device}"


def _reading(result: Speed) -> str:
    return (
        "One request of one class, in one process, all methods in turn. *seconds*: the median run, in brackets the "
        "fastest and the slowest of several; ≈ marks what follows from the steps that were timed, out of those of the "
        f"schedule (*steps*). *ratio*: seconds against {result.reference} with the same images, an oracle's against "
        "the fewest images. *forward*, *backward*: passes of one image through all blocks. *peak MB*: above what was "
        "held before. A dash: nothing to tell."
    )


def _model(model: Model) -> str:
    pictured = "" if model.pictured == model.classes else f", images of {model.pictured} of them"
    size = f"{model.parameters / 1e6:,.1f} million parameters, {model.blocks} blocks"
    return f"{model.summary}: {size}, {model.classes:,} classes{pictured}."


def _timings(result: Speed, model: str) -> str:
    here = [timing for timing in result.timings if timing.model == model]
    rows = [_row(result, timing) for timing in sorted(here, key=lambda timing: timing.images or 1 << 62)]
    return _table(HEADINGS, rows) if rows else ""


def _row(result: Speed, timing: Timing) -> Sequence[str]:
    about = "≈ " if timing.extrapolated else ""
    times = ratio(result, timing)
    return (
        "all" if timing.images is None else str(timing.images),
        timing.method,
        f"{about}{number(timing.seconds)}{_ends(timing)}",
        NONE if times is None else number(times),
        f"{timing.measured_steps} of {timing.schedule_steps:,}" if timing.schedule_steps else NONE,
        NONE if timing.peak_mb is None else number(timing.peak_mb),
        f"{timing.images_read:,}",
        about + number(timing.forward),
        about + number(timing.backward),
    )


def _schedules(result: Speed, model: str) -> str:
    """Each method's schedule, once."""
    said = {timing.method: timing.schedule for timing in result.timings if timing.model == model and timing.schedule}
    return "\n".join(f"- {method}: {words}." for method, words in said.items())


def _skipped(result: Speed) -> str:
    return "\n".join(f"- {line}" for line in _reasons(result))


def _reasons(result: Speed) -> Iterator[str]:
    for one in result.skipped:
        images = "" if one.images is None else f", {one.images} image{'s' if one.images != 1 else ''} a class"
        yield f"{one.model}, {one.method or 'all methods'}{images}: {one.reason}"


def _curve(curve: Curve) -> str:
    first = curve.points[0].seconds
    rows = [
        (f"{point.x:,}", f"{number(point.seconds)}{_ends(point)}", number(point.seconds / first))
        for point in curve.points
    ]
    return _table((curve.of, "seconds", "against the first"), rows)


def _ends(one: Timing | GrowthPoint) -> str:
    return f" [{number(one.fastest)} to {number(one.slowest)}]" if one.runs > 1 else ""


def number(value: float) -> str:
    """Two to three digits, and the thousands of great numbers set apart."""
    return f"{value:,.0f}" if value >= 1000 else figure(value, "")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---:" if text in RIGHT else "---" for text in headings], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
