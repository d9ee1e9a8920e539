"""The scorecard as Markdown, for issues and pull requests, and as a page that needs nothing but itself."""

import re

from expunge.evidence._scorecard_strips import span, strips
from expunge.evidence.scorecard import Row, Scorecard
from expunge.evidence.scorecard_figure import layout, names, number, render, shown
from expunge.evidence.scorecard_groups import BESIDE, IN_STRIPS, grouped
from expunge.evidence.scorecard_words import AIMS, SAYS, chance, headline, meaning, relatives, to_bring
from expunge.evidence.verdict import Verdict
from expunge.tasks import find_task

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
    beside = scorecard.strangers
    several = len(beside.rows[0].forgotten) if beside and beside.rows else 0
    return render(
        "scorecard.html.j2",
        scorecard=scorecard,
        task=find_task(scorecard.task),
        verdict=verdict,
        sentence=headline(scorecard),
        aim=AIMS[verdict.aim] if verdict.aim else None,
        placed=layout(scorecard),
        placed_strips=strips(beside) if beside else (),
        forgotten_beside=several,
        means=meaning(beside, several) if beside else (),
        whole=relatives(beside) if beside else "",
        bring=to_bring(scorecard),
        groups=grouped(row for row in _told_once(scorecard) if row.aim != "context"),
        context=grouped(row for row in scorecard.rows if row.aim == "context"),
        caveat=_caveat(scorecard),
        created=created,
        inline=True,
    )


def render_markdown(scorecard: Scorecard, verdict: Verdict) -> str:
    """The verdict with its reasons, and every row, as Markdown tables."""
    heading = f"# Scorecard: {_safe(names(scorecard.forgotten))} in {_safe(scorecard.edited.name)}"
    aim = f", aim: {AIMS[verdict.aim][0]}" if verdict.aim else ""
    lines = [heading, "", f"**Verdict: {SAYS[verdict.outcome]}** (policy {_safe(verdict.policy)}{aim}).", ""]
    if sentence := headline(scorecard):
        lines += [_safe(sentence), ""]
    lines += ["| | rule | limit | measured |", "|---|---|---|---|"]
    lines += [
        f"| {reason.status} | {_safe(reason.key)} ({reason.kind}) | {_safe(reason.limit)} "
        f"| {_safe('; '.join(filter(None, (reason.measured, reason.note))) or '–')} |"
        for reason in verdict.reasons
    ]
    lines += _beside(scorecard)
    for title, rows in grouped(_told_once(scorecard)):
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
    return "\n".join([*lines, "", _safe(_caveat(scorecard)), ""])


def _caveat(scorecard: Scorecard) -> str:
    """Limits of the numbers, in words; of rows made from words, that the words are known elsewhere."""
    if scorecard.text_model is None:
        return CAVEAT
    return (
        f"{CAVEAT} The rows of the head were made from the names of the classes by the text model "
        f"{scorecard.text_model}, which still knows the word: whoever has it makes a struck row anew, and rows in "
        "place say what that row finds. Another sentence makes another row, which may find more and was not tried."
    )


def _told_once(scorecard: Scorecard) -> list[Row]:
    """The rows but for those that stand beside strangers anyway."""
    return [row for row in scorecard.rows if scorecard.strangers is None or not row.key.startswith(IN_STRIPS)]


def _beside(scorecard: Scorecard) -> list[str]:
    """The strips as a table; or what to bring, where there was nothing to stand beside."""
    beside = scorecard.strangers
    if beside is None:
        return [] if scorecard.oracles else ["", "## What is missing", "", to_bring(scorecard)]
    several = len(beside.rows[0].forgotten) if beside.rows else 0
    lines = ["", f"## {BESIDE}", "", " ".join((*meaning(beside, several), relatives(beside))).strip(), ""]
    lines += [
        "| measure | known is | forgotten | strangers | area | p, known | p, hole |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    lines.append(f"| all together | – | – | – | – | {chance(beside.known_p)} | {chance(beside.hole_p)} |")
    for row in beside.rows:
        side = "high" if row.known_side == "above" else "low"
        ours, theirs = span(tuple(row.forgotten.values())), span(row.strangers)
        values = f"{ours} | {theirs} | {row.area:.0f} | {chance(row.known_p)} | {chance(row.hole_p)}"
        lines.append(f"| {_safe(row.label)} | {side} | {values} |")
    return lines


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
