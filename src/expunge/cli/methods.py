"""`expunge methods`."""

from rich.table import Table

from expunge.cli.console import output


def methods() -> None:
    """List the installed methods, one line each, with their source; (auto) marks the one that is taken by default.

    The column "for" says whether a method works on image classifiers, on object detectors, or on both.

    Example: expunge methods
    """
    from expunge.methods import method_class, method_names
    from expunge.methods.detection.registry import REGISTRY as DETECTION
    from expunge.methods.registry import AUTO, FLAGSHIP

    table = Table(box=None, pad_edge=False)
    for heading in ("method", "for", "what it does", "source", "presets"):
        table.add_column(heading, no_wrap=heading == "method")
    images, scenes = method_names(), DETECTION.names()
    for name in sorted({*images, *scenes}):
        found = method_class(name) if name in images else DETECTION.find(name)
        kinds = "both" if name in images and name in scenes else "classifiers" if name in images else "detectors"
        shown = f"{name} ({AUTO})" if name == FLAGSHIP else name
        table.add_row(shown, kinds, found.summary, found.source, ", ".join(found.presets))
    output.print(table)
