"""A rendered report taken apart, for the tests that read it."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

from expunge.evidence import Report

MakeReport = Callable[..., Report]
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """A page taken apart: its elements, its visible text, and whether its tags match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"closed before it was opened: {tag}"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self._open):
            self.text += data + (" " if self._open and self._open[-1] in {"td", "th", "dd", "dt", "bdi"} else "")

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def rows(html: str, kind: str) -> list[list[str]]:
    """The cells of every body row of the first table of a kind, as plain text."""
    table = html.partition(f'<table class="{kind}">')[2].partition("</table>")[0]
    found = re.findall(r"<tr.*?</tr>", table.partition("</thead>")[2], re.DOTALL)
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL) for row in found]
    return [[re.sub(r"\s+", " ", re.sub("<.*?>", "", cell)).strip() for cell in row] for row in cells]
