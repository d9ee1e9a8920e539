"""No module imports itself by way of others, at whatever depth: whoever reads one has a first file to begin with."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import grimp


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, the first one again at the end; none where all can be put in order.

    Kahn's order is there if and only if no strongly connected component is larger than one.
    """
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set()}) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) in (["b", "c", "b"], ["c", "b", "c"])


def test_there_is_none_among_all_modules() -> None:
    """Imports within functions, and those for annotations alone, count as well."""
    graph = grimp.build_graph("expunge", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 400
    assert circle(imports) == []
