"""The report's numbers, words and geometry by hand."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.evidence import Change, ClassAccuracy, Metrics, Report, WeightsAlone
from expunge.evidence.report import _formats as formats
from expunge.evidence.report import _panels as panels
from expunge.evidence.report._cohorts import MAX_LISTED, cohorts, listing, staircase
from expunge.evidence.report._summary import summarise
from expunge.values import Rate


def entry(name: str, before: float, after: Sequence[float], forgotten_at: int | None) -> ClassAccuracy:
    return ClassAccuracy(name, 10, before, tuple(after), forgotten_at)


CLASSES = (
    entry("kept", 100.0, (50.0, 50.0), None),
    entry("second", 100.0, (80.0, 0.0), 2),
    entry("first", 60.0, (20.0, 0.0), 1),
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (41.04, "41.0 s"),
        (119.9, "119.9 s"),
        (120.0, "2 min 00 s"),
        (192.4, "3 min 12 s"),
        (7199.9, "2 h 00 min"),
        (7500.0, "2 h 05 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (393216, "384 KiB"),
        (3 << 30, "3.0 GiB"),
    ],
)
def test_sizes(n_bytes: int, text: str) -> None:
    assert formats.size(n_bytes) == text


def test_other_formats() -> None:
    assert formats.percent(95.25) == "95.2"
    assert formats.points(-1.2) == "−1.2"
    assert formats.span(0.0, 13.32) == "0.0–13.3"
    assert formats.count(98304) == "98,304"
    assert [formats.plural(n, "class", "classes") for n in (0, 1, 1000)] == [
        "0 classes",
        "1 class",
        "1,000 classes",
    ]


@pytest.mark.parametrize(
    ("names", "shared", "short"),
    [
        (("a.b.0", "a.b.1"), "a.b", ("0", "1")),
        (("a.0.fc1", "a.1.fc1"), "a", ("0.fc1", "1.fc1")),
        (("x", "y"), "", ("x", "y")),
        (("a.b", "a.b.c"), "a", ("b", "b.c")),
        (("a.b.0",), "", ("a.b.0",)),
        ((), "", ()),
    ],
)
def test_names_lose_what_they_share(names: tuple[str, ...], shared: str, short: tuple[str, ...]) -> None:
    assert formats.short_names(names) == (shared, short)


def test_cohorts_stand_in_order_of_forgetting() -> None:
    assert [(c.request, [e.name for e in c.classes]) for c in cohorts(CLASSES)] == [
        (1, ["first"]),
        (2, ["second"]),
        (None, ["kept"]),
    ]


def test_staircase_by_hand() -> None:
    stairs = staircase(CLASSES, 2)
    assert (stairs.width, stairs.step) == (5.0, 1)
    assert stairs.heads == ((1, 0.0, 1.0), (2, 2.0, 1.0), (None, 4.0, 1.0))

    def bar(left: float, height: float) -> str:
        return f"M{left:.2f} 100h.8v-{height:.1f}h-.8z"

    assert stairs.rows == (
        (bar(0.1, 60) + bar(2.1, 100) + bar(4.1, 100), ""),
        (bar(2.1, 80) + bar(4.1, 50), bar(0.1, 20)),
        (bar(4.1, 50), ""),
    )


@pytest.mark.parametrize("n", [1, 2, 199, 200, 201, 1000])
@pytest.mark.parametrize("requests", [0, 1, 3])
def test_staircase_never_has_too_many_bars_and_never_mixes_cohorts(n: int, requests: int) -> None:
    classes = [entry(str(i), 100.0, [100.0] * requests, i % (requests + 1) or None) for i in range(n)]
    stairs = staircase(classes, requests)
    bars = stairs.rows[0][0].count("M")
    assert bars == sum(width for _, _, width in stairs.heads) <= 200 + requests + 1
    for (_, left, width), (_, following, _) in pairwise(stairs.heads):
        assert left + width < following
    assert stairs.width == pytest.approx(sum(stairs.heads[-1][1:]), abs=0.01)


def test_a_bar_for_many_classes_is_their_mean() -> None:
    classes = [entry(str(i), 100.0 if i % 2 else 50.0, (), None) for i in range(400)]
    assert staircase(classes, 0).rows[0][0].startswith("M0.10 100h.8v-75.0h")


def test_listing_picks_the_worst_of_many() -> None:
    gone = [entry(f"gone {i}", 100.0, (float(i % 50),), 1) for i in range(100)]
    kept = [entry(f"kept {i}", 100.0, (float(i % 50) + 50,), None) for i in range(100)]
    part = listing([*gone, *kept])
    assert (part.shown, part.complete) == (MAX_LISTED, False)
    forgotten, stays = part.cohorts
    assert min(e.after[0] for e in forgotten.classes) == 20.0
    assert max(e.after[0] for e in stays.classes) == 79.0
    assert listing(gone[:20]).complete


@pytest.mark.parametrize(
    ("values", "floor", "grid"),
    [
        ([99.0, 98.0], 90, [100, 98, 96, 94, 92, 90]),
        ([88.5, 98.0], 85, [100, 95, 90, 85]),
        ([70.9, 98.0], 60, [100, 90, 80, 70, 60]),
        ([3.0, 98.0], 0, [100, 80, 60, 40, 20, 0]),
        ([0.0, 0.0], 0, [100, 80, 60, 40, 20, 0]),
    ],
)
def test_axes(values: list[float], floor: int, grid: list[int], make_report: Callable[..., Report]) -> None:
    panel = panels.h(with_h(make_report().metrics, *values))
    assert panel.floor == floor
    assert [value for value, _ in panel.grid] == grid
    assert (panel.grid[0][1], panel.grid[-1][1]) == (12.0, 206.0)


def with_h(metrics: Metrics, edit: float, mask: float) -> Metrics:
    first = metrics.requests[0]
    changed = first.model_copy(update={"h": edit, "head_mask": first.head_mask.model_copy(update={"h": mask})})
    return metrics.model_copy(update={"requests": (changed,)})


def test_panel_by_hand(make_report: Callable[..., Report]) -> None:
    # One request on an axis from 90 to 100: 19.4 units a point, in the middle of 38 … 396.
    panel = panels.h(with_h(make_report().metrics, 95.0, 99.0))
    assert panel.edit == (panels.Point(217.0, 109.0),)
    assert panel.mask == (panels.Point(217.0, 31.4),)
    assert panel.requests == ((1, 217.0),)
    assert panel.labels == (109.0, 31.4)


def test_close_labels_are_moved_apart(make_report: Callable[..., Report]) -> None:
    edit, mask = panels.h(with_h(make_report().metrics, 95.2, 95.0)).labels
    assert mask - edit == pytest.approx(16.0)
    assert (edit + mask) / 2 == pytest.approx((105.1 + 109.0) / 2, abs=0.1)


def test_acc_r_carries_its_interval(make_report: Callable[..., Report]) -> None:
    metrics = make_report().metrics
    panel = panels.acc_r(metrics)
    assert len(panel.edit) == len(panel.mask) == 4
    heights = {value: y for value, y in panel.grid}
    unit = (heights[panel.floor] - heights[100]) / (100 - panel.floor)
    for request, edit, mask in zip(metrics.requests, panel.edit, panel.mask, strict=True):
        assert edit.y == pytest.approx(heights[100] + (100 - request.acc_r.after) * unit, abs=0.1)
        assert mask.y == pytest.approx(heights[100] + (100 - request.head_mask.acc_r) * unit, abs=0.1)
    for point in panel.edit:
        assert point.high is not None
        assert point.low is not None
        assert point.high < point.y < point.low <= panel.grid[-1][1]


def summary_of(metrics: Metrics, acc_f: Change, acc_r: Change) -> tuple[str, str]:
    request = metrics.requests[0].model_copy(update={"acc_f": acc_f, "acc_r": acc_r})
    return summarise(metrics.model_copy(update={"requests": (request,)})).verdict


def test_verdict_says_none_only_where_it_is_none(make_report: Callable[..., Report]) -> None:
    metrics, kept = make_report().metrics, Change.between(Rate(90, 100), Rate(90, 100))
    few = Change.between(Rate(24, 25), Rate(0, 25))
    assert summary_of(metrics, few, kept) == (
        "The model now recognises none of the 25 test images of the 5 forgotten classes; before, it recognised 24.",
        "On the 35 classes that stay, accuracy is what it was, 90.0\u00a0%.",
    )
    one_of_many = Change.between(Rate(47000, 50000), Rate(1, 50000))
    first, second = summary_of(metrics, one_of_many, Change.between(Rate(90, 100), Rate(91, 100)))
    assert "recognises 0.0\u00a0% of the 50,000 test images" in first
    assert "before, it recognised 94.0\u00a0%." in first
    assert "rose from 90.0 to 91.0" in second


@given(st.integers(1, 9999), st.data())
def test_counts_come_back_exactly(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    change = Change.between(Rate(hits, n), Rate(hits, n))
    assert round(change.after * n / 100) == hits


def test_summary_pools_all_forgotten_classes(make_report: Callable[..., Report]) -> None:
    metrics = make_report(requests=2).metrics
    last = metrics.requests[1].model_copy(
        update={
            "acc_f": Change.between(Rate(20, 20), Rate(0, 20)),
            "acc_o": Change.between(Rate(40, 60), Rate(3, 60)),
        }
    )
    summary = summarise(metrics.model_copy(update={"requests": (metrics.requests[0], last)}))
    assert (summary.forgotten.before, summary.forgotten.after, summary.forgotten.n) == (75.0, 3.75, 80)
    assert (summary.n_forgotten, summary.n_kept) == (10, 30)


def test_the_headline_is_that_of_the_weights_alone(make_report: Callable[..., Report]) -> None:
    metrics = make_report(requests=2).metrics
    alone = WeightsAlone(
        acc_f=Change.between(Rate(20, 20), Rate(2, 20)), acc_o=Change.between(Rate(40, 60), Rate(10, 60)), h=55.0
    )
    figures = {"acc_f": Change.between(Rate(20, 20), Rate(0, 20)), "acc_o": Change.between(Rate(40, 60), Rate(3, 60))}
    last = metrics.requests[1].model_copy(update={**figures, "weights_alone": alone})
    summary = summarise(metrics.model_copy(update={"requests": (metrics.requests[0], last)}))
    assert summary.in_place is not None
    assert (summary.in_place.after, summary.in_place.n, summary.forgotten.after) == (15.0, 80, 3.75)
    assert summary.verdict[0] == (
        "With the original head\u2019s rows put back, the model recognises 12 of the 80 test images of the 10 "
        "forgotten classes; as it was written, it recognises 3, and before the edit it recognised 60."
    )
    assert summarise(metrics).in_place is None


def test_report_is_frozen(make_report: Callable[..., Report]) -> None:
    report = make_report()
    assert replace(report, title="Other") != report
    with pytest.raises(AttributeError):
        report.title = "Other"  # pyright: ignore[reportAttributeAccessIssue]
