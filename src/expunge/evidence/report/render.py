"""From a `Report` to its HTML."""

from functools import cache

from jinja2 import Environment

from expunge.evidence.report import _formats as formats
from expunge.evidence.report import _overlay as overlay
from expunge.evidence.report import _panels as panels
from expunge.evidence.report._cohorts import cohorts, listing, staircase
from expunge.evidence.report._summary import summarise
from expunge.evidence.report.values import GroupNorms, Report
from expunge.pages import data_uri, page_environment
from expunge.tasks import Example, find_task

_ALL_STATES = 7  # longest story of one image told in full; beyond it only the turning points


def render_report(report: Report) -> str:
    """One HTML page that loads nothing from outside and runs no script.

    Names of classes, models and groups are escaped wherever they stand; a content security policy in
    the page forbids scripts and requests besides.

    Args:
        report: What to show.

    Returns:
        The text of a complete HTML file, to be written as UTF-8.
    """
    metrics = report.metrics
    task = find_task(metrics.task)
    words = task.words
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            metrics=metrics,
            words=words,
            example=task.example,
            summary=summarise(metrics, report.forgotten),
            stairs=staircase(report.classes, len(metrics.requests)),
            cohorts=cohorts(report.classes),
            listing=listing(report.classes),
            panels=(
                ("H", "", "harmonic mean of what was kept and what was lost", panels.h(metrics)),
                (words.symbol, "r", f"{words.rate} on the classes that stay", panels.acc_r(metrics)),
            ),
            blocks=formats.short_names(report.groups.names),
            top_norm=_top_norm(report.groups),
            told=_told,
            films=tuple(overlay.drawn(scene) for scene in report.scenes),
        )
    )


@cache
def _environment() -> Environment:
    environment = page_environment("expunge.evidence.report")
    for filter_ in (
        formats.percent,
        formats.points,
        formats.span,
        formats.count,
        formats.size,
        formats.duration,
        data_uri,
    ):
        environment.filters[filter_.__name__] = filter_
    environment.globals["plural"] = formats.plural
    environment.globals["panel_size"] = (panels.WIDTH, panels.HEIGHT)
    return environment


def _top_norm(groups: GroupNorms) -> float:
    return max((norm for row in groups.norms for norm in row), default=0.0)


def _told(example: Example) -> list[int]:
    """The states of the model (0: before) at which an image's prediction is shown."""
    last = len(example.predictions) - 1
    if last < _ALL_STATES:
        return list(range(last + 1))
    turn = {example.request - 1, example.request} if example.request else set()
    return sorted({0, last} | turn)
