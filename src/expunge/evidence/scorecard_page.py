"""The scorecard as Markdown, for issues and pull requests, and as a page that needs nothing but itself."""

import re

from expunge.evidence.scorecard import Row, Scorecard
from expunge.evidence.scorecard_figure import SAYS, layout, names, number, render, shown
from expunge.evidence.scorecard_groups import grouped
from expunge.evidence.verdict import Verdict

CAVEAT = (
    "This is measured evidence, not a proof of deletion. It holds for these models, these images and this seed. "
    "Backups, copies of the model or of the images, models derived from it and galleries of stored embeddings were "
    "not looked at."
)


def render_page(scorecard: Scorecard, verdict: Verdict, *, created: str = "") -> str:
    """One HTML page that loads nothing from outside and runs no script.

    Args:
        scorecard: What to show.
        verdict: What a policy says of it.
        created: When it was measured, for the head of the page.
    """
    return render(
        "scorecard.html.j2",
        scorecard=scorecard,
        verdict=verdict,
        placed=layout(scorecard),
        groups=grouped(row for row in scorecard.rows if row.aim != "context"),
        context=grouped(row for row in scorecard.rows if row.aim == "context"),
        caveat=CAVEAT,
        created=created,
        inline=True,
    )


def render_markdown(scorecard: Scorecard, verdict: Verdict) -> str:
    """The verdict with its reasons, and every row, as Markdown tables."""
    heading = f"# Scorecard: {_safe(names(scorecard.forgotten))} in {_safe(scorecard.edited.name)}"
    lines = [heading, "", f"**Verdict: {SAYS[verdict.outcome]}** (policy {_safe(verdict.policy)}).", ""]
    lines += ["| | rule | limit | measured |", "|---|---|---|---|"]
    lines += [
        f"| {reason.status} | {_safe(reason.key)} ({reason.kind}) | {_safe(reason.limit)} "
        f"| {_safe('; '.join(filter(None, (reason.measured, reason.note))) or '–')} |"
        for reason in verdict.reasons
    ]
    for title, rows in grouped(scorecard.rows):
        lines += ["", f"## {title}", "", "| measure | edited | 95 % interval | original | oracle | gap | n |"]
        lines += ["|---|--:|--:|--:|--:|--:|--:|", *map(_row, rows)]
    if scorecard.skipped:
        lines += ["", "## Not taken", ""]
        lines += [f"- {_safe(name)}: {_safe(reason)}" for name, reason in scorecard.skipped.items()]
    lines += ["", "## Models", ""]
    models = (
        ("edited", scorecard.edited),
        ("original", scorecard.original),
        *(("oracle", o) for o in scorecard.oracles),
    )
    lines += [f"- {part}: {_safe(model.name)}, sha256 `{model.sha256}`" for part, model in models]
    return "\n".join([*lines, "", CAVEAT, ""])


def _row(row: Row) -> str:
    interval = (
        "–" if row.low is None or row.high is None else f"{number(row.low, row.unit)} to {number(row.high, row.unit)}"
    )
    unit = "" if row.unit == "1" else f" ({row.unit})"
    before = f"| {_safe(row.label)}{unit} | {shown(row)} | {interval} "
    return before + f"| {shown(row, 'original')} | {shown(row, 'oracle')} | {shown(row, 'gap')} | {row.n} |"


def _safe(text: str) -> str:
    """Text that Markdown takes for nothing but text."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))
