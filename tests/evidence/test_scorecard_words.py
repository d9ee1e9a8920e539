"""What the pages say of verdicts and of findings beside strangers."""

import re
from pathlib import Path
from typing import Any

import pytest

from expunge.evidence.policy import load_policy
from expunge.evidence.scorecard import Scorecard
from expunge.evidence.scorecard_figure import render_figure
from expunge.evidence.scorecard_groups import grouped, struck
from expunge.evidence.scorecard_page import render_markdown, render_page
from expunge.evidence.scorecard_words import AIMS, SAYS, chance, headline, meaning, said, to_bring
from expunge.evidence.strangers.finding import RelativeRow
from expunge.evidence.verdict import Outcome, Verdict
from tests.evidence.beside import beside, strangers_row
from tests.evidence.page import Page
from tests.evidence.scorecards import card, row

NASTY = '<script>alert("x")</script> | [l](javascript:x)'


def verdict(outcome: Outcome = "erased", **changes: Any) -> Verdict:
    """A verdict without reasons."""
    name = card().edited
    values: dict[str, Any] = {"policy": "default", "aim": "as-never-seen", "edited": name, "forgotten": ("amber",)}
    return Verdict(outcome=outcome, reasons=(), **(values | changes))


def strangers_card(finding: str = "innocent", **changes: Any) -> Scorecard:
    """A scorecard with rows of strangers, and one that stands in the strips."""
    rows = (
        row("acc_f", 0.0, label="Acc_f"),
        row("strangers_known_p", 0.4, measure="strangers", unit="1", label="better known than strangers, p"),
        row("beside_linear_probe", 75.0, measure="strangers", label="linear probe, above strangers"),
    )
    return card(*rows, strangers=beside(finding, **changes))


@pytest.mark.parametrize(
    ("finding", "sentence"),
    [
        ("innocent", "Beside 4 strangers, not to be told from somebody it never saw."),
        ("known", "Beside 4 strangers, still known: linear probe."),
        ("hole", "Beside 4 strangers, a hole that shows: confidence."),
        ("too_few", "Too few strangers to say (4, 20 needed for one class)."),
        ("blind", "Nothing to be said: beside these strangers not even the untouched model stands out."),
    ],
)
def test_the_headline_says_what_was_shown(finding: str, sentence: str) -> None:
    scorecard = strangers_card(finding)
    assert headline(scorecard) == sentence
    page = Page(render_page(scorecard, verdict()))
    assert sentence in page.text
    assert meaning(beside(finding), 1)[0] in page.text
    assert sentence in re.sub(r"\\", "", render_markdown(scorecard, verdict()))
    first = render_figure(scorecard, verdict()).split('y="82">')[1].split("<")[0]
    assert sentence.startswith(first)


def test_both_sides_at_once_are_both_said() -> None:
    said_of = meaning(beside("known", known_p=0.001, hole_p=0.01), 2)
    assert said_of[0].endswith("so something is left; in other tests it finds them harder, which shows, too.")
    assert "harder" not in meaning(beside("known", known_p=0.001, hole_p=0.06), 2)[0]


@pytest.mark.parametrize("aim", ["as-never-seen", "not-to-be-found-again"])
def test_the_aim_stands_beside_the_verdict(aim: Any) -> None:
    scorecard = strangers_card()
    name, asks = AIMS[aim]
    assert f"Its aim is {name}: {asks}." in Page(render_page(scorecard, verdict(aim=aim))).text
    assert f"(policy default, aim: {name})" in render_markdown(scorecard, verdict(aim=aim))
    assert "Its aim" not in Page(render_page(scorecard, verdict(aim=None))).text


def test_a_strip_a_row_without_script_or_load() -> None:
    rows = (strangers_row(), strangers_row("cmia_auc", label="CMIA, AUC", known_side="below", hole_p=0.001))
    html = render_page(card(row("acc_f", 0.0), strangers=beside("innocent", *rows, hole_p=0.01)), verdict())
    page = Page(html)
    strips = html.split('<table class="strips">')[1].split("</table>")[0]
    assert strips.count('<circle class="forgotten"') == 2
    assert strips.count('<line class="strange"') == 6
    assert "<title>amber: 60</title>" in strips
    assert "<title>2 strangers: 40</title>" in strips
    assert 'aria-label="forgotten 60, strangers 20 to 120"' in strips
    assert strips.count("low is known") == 1
    assert strips.count('class="told-hole"') == 2  # the row, and all together
    assert '<td data-as="Area">75</td>' in strips
    assert not page.all("script")
    assert not re.search(r'(href|src)="(?!#)|url\(', html)


def test_rows_in_the_strips_are_not_told_twice() -> None:
    scorecard = strangers_card()
    page, text = render_page(scorecard, verdict()), render_markdown(scorecard, verdict())
    for rendered in (page, text):
        assert "linear probe, above strangers" not in rendered
        assert "better known than strangers, p" in rendered
    alone = render_markdown(scorecard.model_copy(update={"strangers": None}), verdict())
    assert "linear probe, above strangers" in alone


def test_markdown_has_the_strips_as_a_table() -> None:
    text = render_markdown(strangers_card(), verdict())
    assert "| all together | – | – | – | – | 0.400 | 0.300 |" in text
    assert "| linear probe | high | 60 | 20 to 120 | 75 | 0.400 | 0.800 |" in text


def test_the_three_sample_tests_are_told() -> None:
    tests: dict[str, Any] = {"statistic": 0.4, "p_innocent": 0.012, "p_original": 0.98}
    relative = (
        RelativeRow(on="answers", nearer="innocent", **tests),
        RelativeRow(on="features", nearer="undecided", **tests),
    )
    told = (
        "As a whole, by answers it is nearer to strangers than to what it was before the edit (p 0.012); by features "
        "it is not clearly nearer to either strangers or what it was before the edit."
    )
    scorecard = card(strangers=beside("innocent", relative=relative))
    assert told in Page(render_page(scorecard, verdict())).text
    assert told in render_markdown(scorecard, verdict())
    assert "As a whole" not in Page(render_page(strangers_card(), verdict())).text


def test_classes_that_stay_stand_in() -> None:
    alone = card(row("acc_f", 0.0), stand_in="as well known as classes that stay: bring strangers")
    assert headline(alone) == "As well known as classes that stay: bring strangers."
    assert "What is missing" in Page(render_page(alone, verdict())).text


@pytest.mark.parametrize("finding", ["too_few", "blind"])
def test_without_p_values_the_page_is_whole(finding: str) -> None:
    bare = strangers_row(known_p=None, hole_p=None)
    scorecard = card(strangers=beside(finding, bare, known_p=None, hole_p=None, original_known_p=None, alike_p=None))
    page = Page(render_page(scorecard, verdict("not_enough_evidence")))
    assert "The model before the edit" not in page.text
    assert "By thumbnails" not in page.text
    assert "| linear probe | high | 60 | 20 to 120 | 75 | – | – |" in render_markdown(scorecard, verdict())


def test_with_neither_strangers_nor_oracle_it_says_what_to_bring() -> None:
    alone = card(row("acc_f", 0.0))
    page = Page(render_page(alone, verdict("not_enough_evidence"))).text
    for text in (page, render_markdown(alone, verdict())):
        assert "What is missing" in text
        assert to_bring(alone).split(":")[0] in text
    # One of 20 + 1 places is the least p-value that is below 0.05; of two among five, one of 21 choices.
    assert "Bring 20 strangers or more for one forgotten class" in to_bring(alone)
    assert "Bring 5 strangers or more for 2 forgotten classes" in to_bring(card(earlier=("blue",)))
    with_oracle = card(row("acc_f", 0.0), oracle=True)
    assert headline(with_oracle) == ""
    assert "What is missing" not in Page(render_page(with_oracle, verdict())).text


@pytest.mark.parametrize("outcome", SAYS)
def test_every_outcome_has_its_word_and_colour(outcome: Any) -> None:
    scorecard = strangers_card()
    html, svg = render_page(scorecard, verdict(outcome)), render_figure(scorecard, verdict(outcome))
    assert f'<h1 class="{outcome}">{SAYS[outcome].capitalize()}</h1>' in html
    assert re.search(rf"(^|, )\.{outcome}\b.*{{ color: var", html, re.M)
    assert f'class="sc-{outcome}">{SAYS[outcome]}<' in svg
    assert re.search(rf"\.sc-{outcome}\b.*{{ fill: var", svg)
    assert said(outcome) == SAYS[outcome]


def test_names_of_strangers_are_nothing_but_text() -> None:
    wicked = strangers_row(NASTY, label=NASTY, forgotten={NASTY: 1.0})
    scorecard = card(strangers=beside("known", wicked, source=NASTY, words=f"still known: {NASTY}"))
    html, svg, text = (f(scorecard, verdict()) for f in (render_page, render_figure, render_markdown))
    assert "<script" not in html + svg
    assert "&lt;script&gt;" in html
    assert not re.search(r"(?<!\\)<script|(?<!\\)\]\(", text)


def test_the_weights_alone_stand_first_and_no_stroke_in_bold() -> None:
    scorecard = card(
        row("acc_f", 0.0, label="Acc_f"),
        row("acc_f_worst", 0.1, label="worst"),
        row("acc_r", 90.0, label="Acc_r", aim="high"),
        row("h", 94.7, label="H", aim="high"),
        row("rows_in_place_acc_f", 33.3, measure="rows-in-place", label="Acc_f, rows in place"),
        row("rows_in_place_h", 55.5, measure="rows-in-place", label="H, rows in place", aim="high"),
        row("pruned_30_rows_in_place_acc_f", 31.0, measure="pruning", label="Acc_f, rows in place, pruned"),
        row("pruned_30_acc_f", 0.2, measure="pruning", label="Acc_f, pruned"),
    )
    found = [[r.key for r in rows] for _, rows in grouped(scorecard.rows)]
    assert found == [
        ["rows_in_place_acc_f", "acc_f", "acc_f_worst"],
        ["acc_r", "rows_in_place_h", "h"],
        ["pruned_30_rows_in_place_acc_f", "pruned_30_acc_f"],
    ]
    html, svg = render_page(scorecard, verdict()), render_figure(scorecard, verdict())
    assert [f"<b>{v}</b>" in html for v in ("33.3", "55.5", "90.0", "31.0")] == [True] * 4
    assert [f"<b>{v}</b>" in html for v in ("0.0", "0.1", "94.7", "0.2")] == [False] * 4
    assert 'class="sc-value sc-struck sc-end"' in svg.split(">94.7<")[0].rsplit("<text", 1)[1]
    assert 'class="sc-value sc-end"' in svg.split(">33.3<")[0].rsplit("<text", 1)[1]


@pytest.mark.parametrize(
    ("key", "by_a_stroke"),
    [
        ("acc_f", True),
        ("h", True),
        ("int8_acc_o_worst", True),
        ("pruned_50_acc_f", True),
        ("acc_r", False),
        ("js_forget", False),
        ("rows_in_place_acc_f", False),
        ("int8_rows_in_place_acc_f", False),
    ],
)
def test_what_a_stroke_gives(key: str, by_a_stroke: bool) -> None:
    assert struck(key) is by_a_stroke


def test_p_values_in_tables() -> None:
    assert [chance(p) for p in (None, 0.0005, 0.001, 0.04999, 1.0)] == ["–", "<0.001", "0.001", "0.050", "1.000"]


def test_the_default_policies_have_an_aim_that_has_words() -> None:
    for name in ("default", "detection", "not-to-be-found-again"):
        assert load_policy(Path(name)).aim in AIMS
