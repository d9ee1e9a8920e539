"""`expunge version`."""

from expunge.cli._console import output


def version() -> None:
    """Print the version.

    Example: expunge version
    """
    from importlib.metadata import version as installed

    output.print(installed("expunge"), highlight=False)
