"""The report as an attacker, a screen reader and a tired eye meet it."""

import base64
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from expunge.evidence import render_report
from tests.evidence.page import MakeReport, Page

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; background: url(https://evil.example/x)",
    "{{ 7 * 7 }}{% raw %}",
    "</style></svg>&amp;",
    "\u202eright to left",
]


def test_nothing_is_loaded_and_nothing_runs(make_report: MakeReport) -> None:
    html = render_report(make_report())
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base", "audio", "video", "use"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "srcset", "data", "action", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("data:image/png;base64,", "#")), (tag, name)
    assert not re.search(r"https?:|//\w|url\(|@import", html)
    policies = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_images_are_the_ones_given(make_report: MakeReport) -> None:
    report = make_report()
    images = Page(render_report(report)).all("img")
    assert [image["alt"] for image in images] == [f"Test image of {e.truth}" for e in report.examples]
    for image, example in zip(images, report.examples, strict=True):
        assert base64.b64decode((image["src"] or "").partition(",")[2]) == example.png


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str, make_report: MakeReport) -> None:
    plain, report = make_report(), make_report(at_0=name, at_20=name + "2")
    report = replace(
        report,
        title=name,
        command=name,
        created=name,
        environment={name: name},
        groups=replace(report.groups, names=(name, *report.groups.names[1:])),
    )
    page = Page(render_report(report))
    assert page.text.count(name) >= 12  # title twice, request, list, table, example and its rows, group, facts
    expected = [tag for tag, _ in Page(render_report(plain)).elements]
    assert {tag: expected.count(tag) for tag in ("script", "img", "svg", "style", "bdi")} == {
        tag: len(page.all(tag)) for tag in ("script", "img", "svg", "style", "bdi")
    }
    assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]


def test_a_screen_reader_finds_its_way(make_report: MakeReport) -> None:
    page = Page(render_report(make_report(missing=4)))
    assert page.all("html") == [{"lang": "en"}]
    assert all("scope" in attributes for attributes in page.all("th"))
    assert all(attributes.get("alt") for attributes in page.all("img"))
    for svg in page.all("svg"):
        assert svg.get("aria-hidden") == "true" or (svg.get("role") == "img" and svg.get("aria-label"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        assert (attributes.get("aria-labelledby") or ids[0]) in ids
        assert (attributes.get("href") or f"#{ids[0]}").lstrip("#") in ids
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    scrolled = [attributes for _, attributes in page.elements if attributes.get("class") == "scroll"]
    assert scrolled
    assert all(a.get("tabindex") == "0" and a.get("role") == "region" for a in scrolled)


def luminance(colour: str) -> float:
    digits = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_has_contrast_in_light_and_dark(make_report: MakeReport) -> None:
    html = render_report(make_report())
    palettes = [
        dict(re.findall(r"--(\w+): #([0-9a-f]{3,6});", block)) for block in re.findall(r":root {(.*?)}", html, re.S)
    ]
    assert len(palettes) == 2
    for palette in palettes:
        paper = luminance(palette["paper"])
        for name in ("ink", "soft", "kept", "gone", "mask"):
            light, dark = sorted((luminance(palette[name]), paper), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, name  # WCAG 2.2, level AA
