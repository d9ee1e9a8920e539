"""The report as a reader meets it: every value in its place, and no other."""

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from pydantic import BaseModel

from expunge.errors import EvidenceError
from expunge.evidence import Report, WeightsAlone, render_report
from expunge.intervals import wilson
from tests.evidence.page import MakeReport, Page, rows


def numbers_in(value: Any) -> list[float]:
    """Every number anywhere inside a value."""
    if isinstance(value, bool | str | bytes | None):
        return []
    if isinstance(value, int | float):
        return [value]
    if isinstance(value, BaseModel):
        return numbers_in(value.model_dump())
    if is_dataclass(value):
        return numbers_in([getattr(value, field.name) for field in fields(value)])
    return [number for part in (value.values() if isinstance(value, dict) else value) for number in numbers_in(part)]


def shown(text: str) -> set[str]:
    return set(re.findall(r"\d[\d,]*(?:\.\d+)?", text))


def without_names(report: Report, text: str) -> str:
    """The page's text without what is quoted word for word and may hold digits of its own."""
    quoted = [
        *report.metrics.model.classes,
        report.title,
        report.command,
        report.metrics.model.sha256,
        report.created,
        report.created[:10],
        *report.environment.values(),
        "arXiv 2403.11530",
    ]
    for phrase in sorted(quoted, key=len, reverse=True):
        text = text.replace(phrase, " ")
    return text


def test_every_number_shown_comes_from_the_values(make_report: MakeReport) -> None:
    report = make_report()
    text = without_names(report, Page(render_report(report)).text)
    rates = numbers_in([report.metrics, report.classes])
    allowed = {f"{rate:.1f}" for rate in rates} | {f"{number:,}" for number in rates if isinstance(number, int)}
    allowed |= {f"{request.drop:.1f}" for request in report.metrics.requests}
    allowed |= {f"{norm:.2f}" for row in report.groups.norms for norm in row}
    allowed |= {f"{100 * said.probability:.1f}" for example in report.examples for said in example.predictions}
    allowed |= {str(block) for block in range(12)}
    last = report.metrics.requests[-1]
    assert last.acc_o is not None
    pooled = wilson(2, 100)  # 0 of 25 images of the last request's classes, 2 of 75 of earlier ones
    was = f"{round(0.25 * last.acc_f.before) + round(0.75 * last.acc_o.before)}"
    allowed |= {"2", "2.0", f"{pooled.low:.1f}", f"{pooled.high:.1f}", was, f"{was}.0"}
    allowed |= {"40", "20", "384"}  # classes in all, of each kind; 393,217 bytes are 384 KiB
    allowed |= {"85", "90"}  # where the two axes start
    allowed |= {"95", "100", "1", "256"}  # words that never change: 95 % interval, 100 %, top-1, sha256
    assert shown(text) - allowed == set()


def test_every_value_is_shown(make_report: MakeReport) -> None:
    report = make_report(missing=4)
    page = Page(render_report(report))
    text = without_names(report, page.text)
    rates = numbers_in([report.classes, [r.model_dump(exclude={"bytes"}) for r in report.metrics.requests]])
    assert {f"{rate:.1f}" for rate in rates if isinstance(rate, float)} - shown(text) == set()
    assert {f"{number:,}" for number in rates if isinstance(number, int)} - shown(text) == set()
    assert {f"{norm:.2f}" for row in report.groups.norms for norm in row if norm} - shown(text) == set()
    for phrase in (*report.metrics.model.classes, *report.environment, *report.environment.values()):
        assert phrase in page.text
    for phrase in (report.title, report.command, report.created, report.metrics.model.sha256, "gs-lora++"):
        assert phrase in page.text


def test_figures_stand_in_their_columns(make_report: MakeReport) -> None:
    report = make_report(missing=4)
    html, second = render_report(report), report.metrics.requests[1]
    edit, mask = rows(html, "figures")[2:4]
    assert edit[0] == "2 person 06, person 07, person 08, person 09, person 10"
    assert edit[1] == "gs-lora++"
    for cell, change in zip(edit[2:6], (second.acc_f, second.acc_r, second.acc_o, second.acc_m), strict=True):
        assert change is not None
        low, high = (f"{end:.1f}" for end in change.ci95)
        expected = f"before {change.before:.1f} → after {change.after:.1f} interval {low}–{high} · n {change.n}"
        assert cell == expected
    assert edit[6] == f"{second.h:.1f} drop {second.drop:.1f}"
    anchor = second.head_mask
    assert mask == ["head mask", "0.0", f"{anchor.acc_r:.1f}", "0.0", "93.4", f"{anchor.h:.1f}"]
    assert rows(html, "work")[1] == [
        *("2", "25", "150", "5 of 12", "98,304", "22,056,576", "384 KiB", f"{second.seconds:.1f} s"),
    ]
    assert f"{report.metrics.requests[-1].head_mask.h:.1f} with a head mask" in html


def test_class_table_holds_every_class_after_every_request(make_report: MakeReport) -> None:
    report = make_report()
    table = rows("<details>" + render_report(report).partition("<details>")[2], "work")
    assert table == [
        [c.name, "5", str(c.forgotten_at or "kept"), *(f"{rate:.1f}" for rate in (c.before, *c.after))]
        for c in report.classes
    ]


def test_class_list_goes_from_the_first_model_to_the_last(make_report: MakeReport) -> None:
    report = make_report()
    items = re.findall(r"<li>(.*?)</li>", render_report(report), re.DOTALL)
    assert [" ".join(re.sub("<.*?>", " ", item).split()) for item in items] == [
        f"{c.name} before {c.before:.1f} → after {c.after[-1]:.1f}" for c in report.classes
    ]


def test_examples_tell_each_prediction(make_report: MakeReport) -> None:
    report = make_report()
    tables = render_report(report).split('<caption class="unseen">Predictions')[1:]
    for example, table in zip(report.examples, tables, strict=True):
        told = rows('<table class="any">' + table, "any")
        assert told == [
            [
                f"After {state}" if state else "Before",
                said.name + (" (true class)" if said.name == example.truth else ""),
                f"{100 * said.probability:.1f}",
            ]
            for state, said in enumerate(example.predictions)
        ]


def test_verdict_counts_what_was_measured(make_report: MakeReport) -> None:
    text = Page(render_report(make_report())).text
    assert "The model now recognises 2 of the 100 test images of the 20 forgotten classes; before, it rec" in text
    assert "On the 20 classes that stay, accuracy fell from 98.0 to 95.0\u00a0%." in text
    assert "head mask, which only hides classes" in text
    assert "not a proof of deletion" in text
    assert "Out of scope: backups" in text


def test_many_classes_are_listed_in_part_and_tabled_in_full(make_report: MakeReport) -> None:
    report = make_report(n_classes=1000, requests=3, per=40)
    html = render_report(report)
    page = Page(html)
    assert "120 of 1,000 classes" in page.text
    assert "the mean of up to 5 neighbouring classes" in page.text
    assert html.count('<li><bdi class="name"') == 120
    assert all(page.text.count(entry.name) for entry in report.classes)
    assert len(html) < 600_000


def test_few_classes_one_request(make_report: MakeReport) -> None:
    page = Page(render_report(make_report(n_classes=2, requests=1, per=1)))
    assert "of the forgotten class" in page.text
    assert "On the class that stays" in page.text
    assert "Acco" not in page.text.partition("What it took")[0], "no earlier request, no column"


def test_long_runs_tell_the_turning_points_of_an_image(make_report: MakeReport) -> None:
    html = render_report(make_report(n_classes=20, requests=9, per=2))
    told = html[html.index("forgotten by request 3") :].partition("</table>")[0]
    assert re.findall(r'<th scope="row">(.*?)</th>', told) == ["Before", "After 2", "After 3", "After 9"]
    kept = html[html.index('<span class="fate kept">') :].partition("</table>")[0]
    assert re.findall(r'<th scope="row">(.*?)</th>', kept) == ["Before", "After 9"]


def test_methods_without_groups_or_images_leave_no_empty_section(make_report: MakeReport) -> None:
    report = make_report()
    report = replace(report, groups=replace(report.groups, names=(), norms=()), examples=())
    page = Page(render_report(report))
    assert "Where the edits sit" not in page.text
    assert "Sample images" not in page.text


def test_pruned_groups_are_empty_and_said_to_be(make_report: MakeReport) -> None:
    report = make_report()
    html = render_report(report)
    pruned = sum(norm == 0.0 for row in report.groups.norms for norm in row)
    assert html.count('class="hole"') == html.count(">pruned</span>") == pruned > 0
    assert html.count('class="cell"') == 48 - pruned


def test_the_same_values_give_the_same_bytes(make_report: MakeReport) -> None:
    assert render_report(make_report()) == render_report(make_report())


def test_parts_must_agree(make_report: MakeReport) -> None:
    report = make_report()
    with pytest.raises(EvidenceError, match="at least one finished request"):
        replace(report, metrics=report.metrics.model_copy(update={"requests": ()}))
    with pytest.raises(EvidenceError, match="4 accuracies of class 'person 01', got 3"):
        replace(report, classes=(replace(report.classes[0], after=(0.0, 0.0, 0.0)),))
    with pytest.raises(EvidenceError, match="4 rows of group norms, got 3"):
        replace(report, groups=replace(report.groups, norms=report.groups.norms[:3]))
    with pytest.raises(EvidenceError, match="11 group norms of request 1, got 12"):
        replace(report, groups=replace(report.groups, names=report.groups.names[1:]))
    example = report.examples[0]
    with pytest.raises(EvidenceError, match="5 predictions for the image of 'person 01', got 4"):
        replace(report, examples=(replace(example, predictions=example.predictions[1:]),))
    with pytest.raises(EvidenceError, match="as PNG bytes"):
        replace(report, examples=(replace(example, png=b"\xff\xd8\xff"),))


def test_rows_in_place_stand_first(make_report: MakeReport) -> None:
    report = make_report()
    first, *others = report.metrics.requests
    alone = WeightsAlone(acc_f=first.acc_f.model_copy(update={"after": 61.7}), acc_o=None, h=33.3)
    told = report.metrics.model_copy(update={"requests": (first.model_copy(update={"weights_alone": alone}), *others)})
    html = render_report(replace(report, metrics=told))
    before, after = rows(render_report(report), "figures"), rows(html, "figures")
    assert len(after) == len(before) + 1
    assert after[0][1] == "rows in place"
    assert "61.7" in after[0][2]
    assert after[0][-1] == "33.3"
    assert after[1][0] == "gs-lora++"
    first_row, second_row = html.split('<table class="figures">')[1].split("<tr>")[2:4]
    assert [len(re.findall("<b>", row)) for row in (first_row, second_row)] == [3, 1]  # number, Acc_f, H; then Acc_r
    assert "rows in place" not in render_report(report).lower()
    Page(html)
