"""Advice where a policy does not say that a class is erased: what to bring, or what not to try."""

from expunge.evidence.measures.strangers import HOLE, KNOWN
from expunge.evidence.scorecard import Scorecard
from expunge.evidence.strangers._conformal import strangers_needed
from expunge.evidence.strangers.beside import LEVEL
from expunge.evidence.verdict import Outcome, Verdict
from expunge.tasks import find_task

HOPELESS: tuple[Outcome, ...] = ("hole_shows", "not_enough_evidence")
"""Verdicts that a deeper edit cannot better: it only widens a hole, and brings no evidence."""


def advice(scorecard: Scorecard, verdict: Verdict, *, bring: str) -> str:
    """One or two sentences, or nothing where deeper settings are what to try.

    Args:
        scorecard: What was measured.
        verdict: What a policy says of it.
        bring: How strangers are given here, such as "--strangers DIR".
    """
    if verdict.outcome == "hole_shows":
        return (
            "A deeper edit would only widen the hole, so none is tried. Take a less deep one, or the policy "
            "not-to-be-found-again, which lets a class be found less than one that was never seen."
        )
    if verdict.outcome != "not_enough_evidence":
        return ""
    still_open = {
        reason.key
        for reason in verdict.reasons
        if reason.status == "undecided" or (reason.required and reason.status == "unmeasured")
    }
    beside = _strangers_wanted(scorecard, bring) if still_open & {KNOWN, HOLE} else ""
    others = sorted(still_open - {KNOWN, HOLE})
    more = f"More settings cannot help, more evidence can: see {', '.join(others)}." if others else ""
    return " ".join(part for part in (beside, more) if part)


def _strangers_wanted(scorecard: Scorecard, bring: str) -> str:
    found = scorecard.strangers
    needed = strangers_needed(len(scorecard.forgotten) + len(scorecard.earlier), LEVEL)
    who = f"{find_task(scorecard.task).thing}s"
    oracle = "or measure against an oracle, a model that was trained without the classes"
    if found is None:
        return (
            f"Bring strangers ({bring}): {needed} classes or more that the model never saw, with training and test "
            f"{who} of each; {oracle}."
        )
    if found.finding == "too_few":
        return f"Bring more strangers ({bring}): there are {found.classes}, and {needed} are needed; {oracle}."
    if found.finding == "unlike":
        return f"Bring strangers of the kind of the model's own classes ({bring}); {oracle}."
    return f"Bring more strangers, or more {who} of each and of the forgotten classes ({bring}); {oracle}."
