"""One registry for the measures of every task."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from typing import ClassVar

import pytest

from expunge.errors import EvidenceError
from expunge.evidence import Case, Measure, Reading, make_measure, make_measures, measure_names, registry
from expunge.evidence.measures.rows_in_place import RowsInPlace, RowsInPlaceOfDetectors


class Theirs:
    """A measure of another package, which says nothing of tasks."""

    name: ClassVar[str] = "theirs"
    summary: ClassVar[str] = ""
    source: ClassVar[str] = ""
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {}

    def missing(self, case: Case) -> str | None:
        return None

    def measure(self, case: Case) -> tuple[Reading, ...]:
        return ()


class OfDetectors(Theirs):
    tasks: ClassVar[tuple[str, ...]] = ("detection",)


class OfAll(Theirs):
    tasks: ClassVar[tuple[str, ...]] = registry.EVERY_TASK


def install(monkeypatch: pytest.MonkeyPatch, group: str = registry.GROUP, **points: str) -> None:
    """Only these are installed, beside no others; `_` in a name stands for a dot."""
    made = [EntryPoint(name.replace("_", "."), f"{__name__}:{value}", group) for name, value in points.items()]
    load = EntryPoint.load  # of tasks, which are still found
    monkeypatch.setattr(EntryPoint, "load", lambda one: globals()[one.attr] if one.module == __name__ else load(one))
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints(p for p in made if p.group == group))


def test_a_measure_says_for_which_tasks_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, a="Theirs", b="OfDetectors", c="OfAll")
    assert measure_names() == ("a", "c")
    assert measure_names(task="detection") == ("b", "c")
    assert [type(one) for one in make_measures(task="detection")] == [OfDetectors, OfAll]
    assert make_measures(task="detection", but=("b", "c")) == ()
    with pytest.raises(EvidenceError, match="unknown measure 'b'; installed: a, c"):
        make_measure("b")


def test_one_name_may_be_a_measure_of_each_task(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_measure("rows-in-place", task="detection"), RowsInPlaceOfDetectors)
    assert type(make_measure("rows-in-place")) is RowsInPlace
    install(monkeypatch, a="OfAll", detection_a="OfDetectors", other_a="Theirs")
    assert isinstance(make_measure("a", task="detection"), OfDetectors)
    assert isinstance(make_measure("a"), OfAll)
    assert measure_names() == ("a", "other.a")  # no task is called "other"


def test_the_old_group_of_detectors_is_read_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, registry.OLD_GROUP, old="Theirs")
    assert measure_names() == ()
    with pytest.warns(DeprecationWarning, match=r"'expunge.detection_measures' \(old\) .* 'expunge.measures'"):
        assert isinstance(make_measure("old", task="detection"), Measure)


def test_what_is_no_measure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "Nothing", object)
    install(monkeypatch, a="Nothing")
    with pytest.raises(EvidenceError, match=r"measure 'a' \(.*:Nothing\) lacks name, .*measure; see"):
        make_measure("a")


def test_a_broken_package_is_named_and_breaks_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(point: EntryPoint) -> object:
        if point.name == "a":
            raise ImportError("no module named 'gone'")
        return OfDetectors

    install(monkeypatch, a="Theirs", b="OfDetectors")
    monkeypatch.setattr(EntryPoint, "load", load)
    assert measure_names() == ("a",)
    assert [type(one) for one in make_measures(task="detection")] == [OfDetectors]
    with pytest.raises(ImportError, match="gone"):
        make_measure("a")
