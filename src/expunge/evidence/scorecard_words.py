"""Names of verdicts, aims and findings on every page, and their meaning to somebody who has to act on them."""

from collections.abc import Mapping

from expunge.evidence.policy import Aim
from expunge.evidence.scorecard import Scorecard
from expunge.evidence.strangers._conformal import strangers_needed
from expunge.evidence.strangers._relative import Nearer
from expunge.evidence.strangers.beside import LEVEL
from expunge.evidence.strangers.finding import BesideStrangers, Finding, RelativeRow
from expunge.evidence.verdict import Outcome
from expunge.tasks import find_task

SAYS: Mapping[Outcome, str] = {
    "erased": "erased",
    "not_erased": "not erased",
    "harm_too_large": "harm too large",
    "hole_shows": "a hole shows",
    "not_enough_evidence": "not enough evidence",
}

AIMS: Mapping[Aim, tuple[str, str]] = {
    "as-never-seen": ("as never seen", "to the model it is what any stranger is"),
    "not-to-be-found-again": (
        "not to be found again",
        "the model may know it even less than a stranger, and that may show",
    ),
}
"""Aim -> what it is called, and what it asks."""

_MEANS: Mapping[Finding, tuple[str, str]] = {
    "innocent": ("in none of these tests {do} {it} stand apart from classes that the model has never met", ""),
    "known": (
        "the model finds {it} easier than classes that it has never met, so something is left",
        "Try a deeper edit or another method.",
    ),
    "hole": (
        "the model finds {it} harder than classes that it has never met, and that shows that something was there",
        "Try another depth or another method, or decide that a hole is what you want.",
    ),
    "too_few": ("with so few strangers even the clearest difference may be chance", "Bring more of them."),
    "unlike": (
        "the pictures of these strangers are of another kind, so a difference may come from the pictures alone",
        "Bring strangers that were photographed like the model's own classes.",
    ),
    "blind": (
        "beside these strangers the model does not stand out even before the edit, where it surely knows {it}; so "
        "finding nothing afterwards means nothing",
        "Bring more strangers, or more images of each and of what is forgotten.",
    ),
}


_NEARER: Mapping[Nearer, str] = {
    "innocent": "nearer to strangers than to what it was before the edit",
    "original": "nearer to what it was before the edit than to strangers",
    "undecided": "not clearly nearer to either strangers or what it was before the edit",
}


def said(outcome: str) -> str:
    """A verdict in words, also one of a later version."""
    return {**SAYS}.get(outcome, outcome.replace("_", " "))


def headline(scorecard: Scorecard) -> str:
    """Finding as one sentence; empty where an oracle, and no stranger, was asked."""
    beside = scorecard.strangers
    if beside is not None:
        found = beside.finding in ("innocent", "known", "hole")
        said = f"beside {counted(beside)}, {beside.words}" if found else beside.words
        return f"{said[0].upper()}{said[1:]}."
    if scorecard.oracles:
        return ""
    if scorecard.stand_in:
        return f"{scorecard.stand_in[0].upper()}{scorecard.stand_in[1:]}."
    return "Nothing that the model never saw stood beside it, so nobody can say how much of what it shows is memory."


def meaning(beside: BesideStrangers, forgotten: int) -> tuple[str, str]:
    """Meaning of a finding for whoever has to act on it, and what to do next; empty where there is nothing to do."""
    words = (
        {"it": "the forgotten class", "do": "does"} if forgotten == 1 else {"it": "the forgotten classes", "do": "do"}
    )
    said, next_step = (text.format(**words) for text in _MEANS[beside.finding])
    if beside.finding == "known" and beside.hole_p is not None and beside.hole_p < beside.level:
        said += f"; in other tests it finds {'it' if forgotten == 1 else 'them'} harder, which shows, too"
    return f"{said[0].upper()}{said[1:]}.", next_step


def relatives(beside: BesideStrangers) -> str:
    """Result of the three-sample tests, as one sentence; empty where none was taken."""
    told = [f"by {one.on} it is {_NEARER[one.nearer]}{_sure(one)}" for one in beside.relative]
    return f"As a whole, {'; '.join(told)}." if told else ""


def _sure(row: RelativeRow) -> str:
    p_values = {"innocent": row.p_innocent, "original": row.p_original}
    return f" (p {chance(p_values[row.nearer])})" if row.nearer in p_values else ""


def to_bring(scorecard: Scorecard) -> str:
    """Advice on what to bring where there were neither strangers nor an oracle."""
    gone = len(scorecard.forgotten) + len(scorecard.earlier)
    needed, what = strangers_needed(gone, LEVEL), f"{find_task(scorecard.task).thing}s"
    many = "one forgotten class" if gone == 1 else f"{gone} forgotten classes"
    return (
        f"Bring {needed} strangers or more for {many}: classes of the same kind that the model has never seen, each "
        f"with as many {what} as a forgotten class has. Measure again with --strangers. Or bring an oracle, a model "
        "that was trained without what is forgotten."
    )


def counted(beside: BesideStrangers) -> str:
    """Number of strangers, in words."""
    return "1 stranger" if beside.classes == 1 else f"{beside.classes} strangers"


def chance(p: float | None) -> str:
    """A p-value in a table; a dash for none."""
    if p is None:
        return "–"
    return f"{p:.3f}" if p >= 0.001 else "<0.001"
