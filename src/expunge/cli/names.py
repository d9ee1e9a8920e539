"""Options that take several names, A,B."""

from expunge.errors import RequestError


def split_names(text: str, option: str) -> tuple[str, ...]:
    """The names in the value of an option, in order.

    Raises:
        RequestError: One of them is empty.
    """
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise RequestError(f"{option} takes names separated by commas, got {text!r}")
    return names
