"""The certificate and the comparison as pages, as people and attackers meet them."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from expunge.errors import AlteredCertificateError, OutputError, WrongKeyError
from expunge.ledger import (
    OUT_OF_SCOPE,
    Certificate,
    MethodFacts,
    PolicyFacts,
    SigningKey,
    StrangersFacts,
    Target,
    Verdict,
)
from expunge.ledger.statement import CLAIM
from expunge.release import compare, render_certificate
from expunge.release.compare_page import render_comparison, write_page
from expunge.release.pictures import list_pictures
from tests.evidence.page import Page, rows
from tests.evidence.test_report_safety import HOSTILE
from tests.release.certificates import AFTER, KEY, ROWS, certificate, predicate, row
from tests.release.test_compare import CLASSES, LABELS, A, B
from tests.release.test_pictures import picture

PNG = b"\x89PNG\r\n\x1a\n"


def plain(text: str) -> str:
    return " ".join(text.split())


def check_harmless(html: str) -> None:
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base", "use", "a"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "srcset", "data", "action"):
            assert (attributes.get(name) or "").startswith("data:image/png;base64,") or not attributes.get(name)
    assert not re.search(r"url\(|@import", "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL)))
    assert not [attributes for _, attributes in page.elements if "style" in attributes]
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all((attributes.get("aria-labelledby") or ids[0]) in ids for _, attributes in page.elements)
    assert all("scope" in attributes for attributes in page.all("th"))


def test_a_certificate_is_told_in_words() -> None:
    text = certificate()
    html = render_certificate(text, trusted=KEY.public.raw, file="req 7.json")
    check_harmless(html)
    said = plain(Page(html).text)
    assert "Verdict: erased" in said
    assert CLAIM in said
    for item in OUT_OF_SCOPE:
        assert item in said
    assert said.index(OUT_OF_SCOPE[0]) < said.index("What was asked")  # before anything that reassures
    for expected in ("s01", "gdpr-17", "gs-lora++", "2026-11-24 12:03 UTC", "a" * 64, AFTER, "e" * 64, "standard"):
        assert expected in said
    assert "acc_f: at most 5 %, passed" in said
    assert "expunge verify 'req 7.json' --key issuer.pub" in said
    assert hashlib.sha256(text.encode()).hexdigest() in said
    assert str(KEY.public) in said
    assert "verified against a key that the maker of the page trusts" in said


def test_the_scorecard_stands_there_with_intervals_and_anchors() -> None:
    html = render_certificate(certificate())
    found = {cells[0]: cells[2:] for cells in rows(html, "numbers") if len(cells) > 1}
    assert found["Acc_f"] == ["0.0", "0.0–8.8", "95.0", "0.0", "40"]
    assert found["linear probe"] == ["22.5", "12.3–37.5", "95.0", "20.0", "40"]
    assert "re-learn steps" not in found  # of the second rank, in the table below
    said = plain(Page(html).text)
    assert "re-learn steps" in said
    assert "1 further number stands" in said


def test_a_hole_has_its_word_and_a_stroke_is_not_bold() -> None:
    rows = [row("rows_in_place_acc_f", "in place", 7.5, "rows-in-place"), row("acc_f", "Acc_f", 0.0)]
    hole = Verdict(outcome="hole_shows", reasons=("prototype_relearning_10: failed",))
    html = render_certificate(certificate(verdict=hole, scorecard={"rows": rows}))
    assert '<span class="hole_shows">a hole shows</span>' in html
    assert "<title>Certificate of request req-0007: a hole shows</title>" in html
    assert ("<b>7.5</b>" in html, "<b>0.0</b>" in html, "<td>0.0</td>" in html) == (True, False, True)
    later = render_certificate(certificate(verdict=Verdict(outcome="kept_apart", reasons=())))
    assert "Verdict: kept apart" in plain(Page(later).text)


def test_what_strangers_came_to_is_told() -> None:
    beside = StrangersFacts(count=20, images=(8, 5), sha256=None, finding="known", words=f"still known: {HOSTILE[0]}")
    html = render_certificate(certificate(strangers=beside))
    check_harmless(html)
    told = "Beside 20 classes that the model never saw, with 8 images of each to attack with and 5 to count on: still"
    assert told in plain(Page(html).text)
    assert "never saw, with" not in plain(Page(render_certificate(certificate())).text)


def test_without_a_key_it_says_that_anybody_could_have_made_it() -> None:
    said = plain(Page(render_certificate(Certificate.parse(certificate().encode()))).text)
    assert "no public key was given" in said
    assert "anybody could have made it" in said


def test_no_page_is_made_of_what_does_not_verify() -> None:
    other = SigningKey.from_seed("example.org/erasures", bytes([1] * 32))
    with pytest.raises(WrongKeyError):
        render_certificate(certificate(), trusted=other.public.raw)
    with pytest.raises(AlteredCertificateError):
        render_certificate(certificate().replace('"since": 0', '"since": 1'))


def test_a_scorecard_of_another_kind_is_shown_as_it_is() -> None:
    for scorecard in ({"later": {"rows": 1}}, {"rows": [{"key": "<b>"}]}, {"rows": "acc_f"}):
        html = render_certificate(certificate(scorecard=scorecard))
        check_harmless(html)
        assert "cannot show as a table" in plain(Page(html).text)
    assert "&lt;b&gt;" in render_certificate(certificate(scorecard={"rows": [{"key": "<b>"}]}))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_certificates_stay_text(name: str) -> None:
    changes: dict[str, Any] = {
        "request": predicate().request.model_copy(update={"targets": (Target(name=name), Target(digest="9" * 64))}),
        "method": MethodFacts(name=name, settings={name: name, "nested": {name: [name]}}),
        "policy": PolicyFacts(name=name, sha256="d" * 64),
        "verdict": Verdict(outcome="erased", reasons=(name,)),
        "software": {name: name},
        "hardware": {name: name},
        "out_of_scope": (name,),
        "scorecard": {"rows": [*ROWS, row(name, name, 3.0, name, unit=name), row("cka", name, 1.0, aim="context")]},
    }
    html = render_certificate(certificate(**changes), file=name)
    check_harmless(html)
    page, usual = Page(html), Page(render_certificate(certificate()))
    assert page.text.count(name) >= 10
    for tag in ("style", "svg", "section", "code"):
        assert len(page.all(tag)) - len(usual.all(tag)) in (0, 1), tag  # the digest of the second target is code


@pytest.mark.parametrize("value", [-5.0, 250.0, 1e300])
def test_numbers_off_the_axis_are_written_but_not_drawn(value: float) -> None:
    html = render_certificate(certificate(scorecard={"rows": [row("acc_f", "Acc_f", value)]}))
    check_harmless(html)
    assert not Page(html).all("svg")


def test_the_comparison_page() -> None:
    found = compare(A, B, CLASSES, LABELS)
    html = render_comparison(found, a="r/1", b="r/2", images={3: ("d.png", PNG), 1: ("b.png", PNG)})
    check_harmless(html)
    said = plain(Page(html).text)
    assert "2 images are decided differently" in said
    assert "3 of 5 images 95 % interval 23.1–88.2" in said.replace("\xa0", " ")
    assert "Right in A alone: 1; in B alone: 1 McNemar\u2019s test: p = 1.000" in said
    assert [image["alt"] for image in Page(html).all("img")] == ["d.png", "b.png"]
    table = rows(html, "classes")
    assert table[0] == ["bee", "2", "2", "1", "0", "–", "–"]
    assert table[1] == ["ant", "2", "1", "1", "2", "100.0", "50.0"]
    assert "not known" in plain(Page(render_comparison(compare(A, B, CLASSES), a="", b="", images={})).text)
    same = render_comparison(compare(A, A, CLASSES), a="x", b="x", images={})
    assert "Every image is decided alike" in plain(Page(same).text)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_on_the_comparison_page(name: str) -> None:
    found = compare(A, B, (name, "bee", name + "2"), LABELS)
    html = render_comparison(found, a=name, b=name, images={3: (name, PNG), 1: (name, PNG)})
    check_harmless(html)
    assert Page(html).text.count(name) >= 12
    assert len(Page(html).all("img")) == 2


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    for number in range(5):
        picture(tmp_path / "data" / f"{number}.png")
    samples, _ = list_pictures(tmp_path / "data", CLASSES)
    found = compare(A, B, CLASSES)
    write_page(tmp_path / "out", found, samples, a="a", b="b", page="p.html", texts={"t.json": "{}"})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p.html", "t.json"]
    with pytest.raises(OutputError, match="cannot write"):
        write_page(tmp_path / "data", found, samples, a="a", b="b", page="p.html", texts={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]
    assert len(list((tmp_path / "data").iterdir())) == len(samples)
