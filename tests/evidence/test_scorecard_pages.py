"""The figure, the page and the Markdown of a scorecard."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from expunge.evidence.policy import Policy, Rule
from expunge.evidence.scorecard import Scorecard
from expunge.evidence.scorecard_figure import layout, number, render_figure
from expunge.evidence.scorecard_groups import drawn, grouped
from expunge.evidence.scorecard_page import render_markdown, render_page
from expunge.evidence.verdict import Verdict, judge
from tests.evidence.page import Page
from tests.evidence.scorecards import card, row

NASTY = '<script>alert("x")</script> & | `co` [l](javascript:x)'


@pytest.fixture
def scorecard() -> Scorecard:
    return card(
        row("acc_f", 4.0, low=1.0, high=11.0, original=98.0, oracle=2.0, label="Acc_f"),
        row("acc_r", 95.0, original=96.0, oracle=97.0, label="Acc_r", aim="high"),
        row(
            "linear_probe",
            61.0,
            low=50.0,
            high=70.0,
            original=90.0,
            oracle=40.0,
            measure="linear-probe",
            label="linear probe",
            aim="oracle",
        ),
        row(
            "relearn_time", 7.0, unit="steps", measure="relearn-time", original=1.0, oracle=9.0, label="re-learn steps"
        ),
        row("cka_layer_1", 0.987, unit="1", measure="cka", aim="context", label="CKA, block 1"),
        row("odd", 12.0, measure="of-another-package", label="odd one"),
        oracle=True,
        skipped={"u-lira": "needs shadow models"},
    )


@pytest.fixture
def verdict(scorecard: Scorecard) -> Verdict:
    rules = (
        Rule(key="acc_f", kind="erasure", max=5.0),
        Rule(key="linear_probe", kind="erasure", max_gap_to_oracle=10.0),
    )
    return judge(scorecard, Policy.model_validate({"schema": "expunge/policy/v1", "name": "strict", "rule": rules}))


def test_rows_stand_under_their_headings(scorecard: Scorecard) -> None:
    found = {heading: [r.key for r in rows] for heading, rows in grouped(scorecard.rows)}
    assert found == {
        "What the model answers": ["acc_f"],
        "What stays": ["acc_r"],
        "What its features still know": ["linear_probe", "relearn_time"],
        "How like the oracle it is": ["cka_layer_1"],
        "Other measures": ["odd"],
    }


def test_the_figure_shows_what_fits_its_axis(scorecard: Scorecard) -> None:
    assert [r.key for r in drawn(scorecard)] == ["acc_f", "acc_r", "linear_probe", "odd"]


def test_marks_stand_where_their_values_are(scorecard: Scorecard) -> None:
    placed = layout(scorecard)
    first = placed.lines[0]
    # The axis runs from 258 to 610: 3.52 a percent.
    assert (first.edited, first.original, first.oracle) == pytest.approx((272.1, 603.0, 265.0), abs=0.06)
    assert first.interval == pytest.approx((261.5, 296.7), abs=0.06)
    assert not first.stays
    assert placed.lines[1].stays
    assert placed.lines[1].interval is None
    heights = [line.y for line in placed.lines]
    assert heights == sorted(set(heights))
    assert placed.height > heights[-1]


def test_the_figure_is_one_sound_file_that_knows_the_dark(scorecard: Scorecard, verdict: Verdict) -> None:
    svg = render_figure(scorecard, verdict)
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = " ".join("".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text"))
    for said in ("Verdict: not erased", "What toy still knows of amber", "linear probe✕", "61.0", "40.0", "odd one"):
        assert said in text
    assert "Acc_f✕" not in text
    assert "prefers-color-scheme: dark" in svg
    assert not re.search(r"<script|href|url\(", svg)


def test_the_figure_without_verdict_or_oracle() -> None:
    svg = render_figure(card(row("acc_f", 0.0)))
    assert "no oracle was given" in svg
    assert 'sc-oracle" d=' not in svg


def test_the_page_is_whole_and_loads_nothing(scorecard: Scorecard, verdict: Verdict) -> None:
    html = render_page(scorecard, verdict, created="2026-01-02T03:04:05+00:00")
    page = Page(html)
    assert not page.all("script")
    assert not page.all("img")
    assert "default-src 'none'" in html
    assert not re.search(r'(href|src)="(?!#)', html)
    for said in (
        "Not erased",
        "at most 10 points from the oracle",
        "needs shadow models",
        "not a proof of deletion",
        "2026-01-02",
    ):
        assert said in page.text
    assert "0" * 64 in page.text


@pytest.mark.parametrize("kind", ["page", "figure", "markdown"])
def test_names_from_outside_are_nothing_but_text(kind: str, verdict: Verdict) -> None:
    wicked = card(row("acc_f", 4.0, label=NASTY), classes=(NASTY, "b"), forgotten=(NASTY,), skipped={NASTY: NASTY})
    renders = {"page": lambda: render_page(wicked, verdict), "figure": lambda: render_figure(wicked, verdict)}
    text = renders.get(kind, lambda: render_markdown(wicked, verdict))()
    if kind == "markdown":
        assert "\\<script\\>" in text
        assert not re.search(r"(?<!\\)<script|(?<!\\)\]\(|(?<!\\)`co", text)
        widths = {
            len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if "alert" in line and line[0] == "|"
        }
        assert widths == {8}
    else:
        assert "<script" not in text
        assert "&lt;script&gt;" in text


def test_markdown_has_every_row_and_reason(scorecard: Scorecard, verdict: Verdict) -> None:
    text = render_markdown(scorecard, verdict)
    assert "**Verdict: not erased** (policy strict)." in text
    assert "| failed | linear\\_probe (erasure) | at most 10 points from the oracle |" in text
    assert "| Acc\\_f (%) | 4.0 | 1.0 to 11.0 | 98.0 | 2.0 | 2.0 | 100 |" in text
    assert "| re-learn steps (steps) | 7 | – | 1 | 9 | −2 | 100 |" in text
    assert "- u-lira: needs shadow models" in text


def test_bounds_are_shown_as_bounds(verdict: Verdict) -> None:
    bounded = card(
        row("anamnesis_index", 0.79, unit="ratio", label="AIN", oracle=1.0, bounds={"value": "at_most"}),
        row("relearn_time", 100.0, unit="steps", label="steps", oracle=67.0, oracles=2, bounds={"value": "at_least"}),
        row("other", 1.0, unit="ratio", label="other", bounds={"value": "unknown"}),
        oracle=True,
    )
    text, page = render_markdown(bounded, verdict), Page(render_page(bounded, verdict)).text
    assert "| AIN (ratio) | at most 0.790 | – | – | 1.000 |" in text
    assert "| steps (steps) | at least 100 | – | – | 67 |" in text
    assert "| other (ratio) | unknown |" in text
    for said in ("at most 0.790", "at least 100", "unknown"):
        assert said in page


def test_numbers_in_tables() -> None:
    assert [number(v, u) for v, u in ((12.345, "%"), (-1.0, "steps"), (0.98765, "1"), (None, "%"))] == [
        "12.3",
        "−1",
        "0.988",
        "–",
    ]
