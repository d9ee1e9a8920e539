"""The pages of this room, in the look of the report: one file each that loads nothing and runs no script."""

from base64 import b64encode
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from expunge.evidence.report import formats
from expunge.evidence.scorecard_figure import number


def render(template: str, **values: object) -> str:
    """Fills a template; every value from outside is escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("expunge.release"), PackageLoader("expunge.evidence.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (formats.percent, formats.points, formats.span, formats.count, number, data_uri):
        environment.filters[filter_.__name__] = filter_
    environment.globals["plural"] = formats.plural
    return environment


def data_uri(png: bytes) -> str:
    """A PNG as the address of an image that lies in the page itself."""
    return "data:image/png;base64," + b64encode(png).decode("ascii")
