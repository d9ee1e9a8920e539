"""`expunge methods`."""

from rich.table import Table

from expunge.cli.console import output


def methods() -> None:
    """List the installed methods, one line each, with their source; (auto) marks the one that is taken by default.

    Example: expunge methods
    """
    from expunge.methods import make_method, method_class, method_names
    from expunge.methods.registry import AUTO

    table = Table(box=None, pad_edge=False)
    for heading in ("method", "what it does", "source", "presets"):
        table.add_column(heading)
    auto = make_method(AUTO).name
    for name in method_names():
        found = method_class(name)
        table.add_row(
            f"{name} ({AUTO})" if name == auto else name, found.summary, found.source, ", ".join(found.presets)
        )
    output.print(table)
