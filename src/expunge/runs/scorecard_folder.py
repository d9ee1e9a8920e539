"""The folder that `expunge measure` writes: it appears whole or not at all."""

from datetime import UTC, datetime
from pathlib import Path

from expunge.durable import whole_folder, writing
from expunge.errors import OutputError
from expunge.evidence import Scorecard, Verdict, render_figure, render_markdown, render_page

FILES = ("scorecard.json", "scorecard.md", "scorecard.svg", "scorecard.html", "verdict.json")


def check_free(folder: Path) -> None:
    """Refuses a folder that results could not be put into, before anything is measured.

    Raises:
        OutputError: It holds something, or is no folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is not an empty folder; give --out a new one")


def write_scorecard(folder: Path, scorecard: Scorecard, verdict: Verdict) -> None:
    """Writes the scorecard as JSON, Markdown, figure and page, and the verdict.

    Raises:
        OutputError: `folder` holds something, or cannot be written.
    """
    check_free(folder)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    texts = (
        scorecard.to_json(),
        render_markdown(scorecard, verdict),
        render_figure(scorecard, verdict),
        render_page(scorecard, verdict, created=created),
        verdict.to_json(),
    )
    with writing(folder), whole_folder(folder) as partial:
        for name, text in zip(FILES, texts, strict=True):
            (partial / name).write_text(text, encoding="utf-8")
