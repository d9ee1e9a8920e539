"""The page of a comparison, with the images that are decided differently."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from expunge.data import FileSample, thumbnail
from expunge.durable import whole_folder, writing
from expunge.release._pages import render
from expunge.release.compare import Comparison

SHOWN = 120
"""Most images on one page; the JSON file lists all."""


def render_comparison(found: Comparison, *, a: str, b: str, images: Mapping[int, tuple[str, bytes]]) -> str:
    """One HTML page that loads nothing from outside and runs no script.

    Args:
        found: The comparison.
        a: What the first model is called.
        b: What the second one is called.
        images: Name and PNG of the changed images to show, by their place.
    """
    shown = tuple((one, *images[one.index]) for one in found.changed if one.index in images)
    moved = tuple(one for one in found.classes if one.a != one.both or one.b != one.both)
    return render("serve-check.html.j2", found=found, a=a, b=b, shown=shown, moved=moved)


def write_page(
    folder: Path,
    found: Comparison,
    samples: Sequence[FileSample],
    *,
    a: str,
    b: str,
    page: str,
    texts: Mapping[str, str],
) -> None:
    """Writes the page and some texts into a new folder, which appears whole or not at all.

    Raises:
        OutputError: The folder cannot be written.
    """
    images = {
        one.index: (samples[one.index].name, thumbnail(samples[one.index].load())) for one in found.changed[:SHOWN]
    }
    html = render_comparison(found, a=a, b=b, images=images)
    with writing(folder), whole_folder(folder) as partial:
        for name, text in {**texts, page: html}.items():
            (partial / name).write_text(text, encoding="utf-8")
