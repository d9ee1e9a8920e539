"""`expunge methods`."""

from rich.table import Table

from expunge.cli.console import output


def methods() -> None:
    """List the installed methods, one line each, with their source.

    Example: expunge methods
    """
    from expunge.methods import method_class, method_names

    table = Table(box=None, pad_edge=False)
    for heading in ("method", "what it does", "source", "presets"):
        table.add_column(heading)
    for name in method_names():
        found = method_class(name)
        table.add_row(name, found.summary, found.source, ", ".join(found.presets))
    output.print(table)
