"""The pages of this room, in the look of the report: one file each that loads nothing and runs no script."""

from functools import cache

from jinja2 import Environment

from expunge.evidence import number
from expunge.evidence.report import count, percent, plural, points, span
from expunge.pages import data_uri, page_environment


def render(template: str, **values: object) -> str:
    """Fills a template; every value from outside is escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = page_environment("expunge.release", "expunge.evidence.report")
    for filter_ in (percent, points, span, count, number, data_uri):
        environment.filters[filter_.__name__] = filter_
    environment.globals["plural"] = plural
    return environment
