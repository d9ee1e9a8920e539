"""Rates of forgotten, retained, earlier and missing classes, and H, as rows: the same arithmetic in every task."""

from collections.abc import Collection, Mapping

from expunge.evidence.protocol import Aim, Case, Reading
from expunge.tasks import Scores, harmonic_mean


def groups_of(case: Case) -> tuple[tuple[str, Collection[int], Aim], ...]:
    """Letter of each group of classes -> its classes, and what a good rate of them is."""
    return (
        ("f", case.forget, "low"),
        ("r", case.retain, "high"),
        ("o", case.earlier, "low"),
        ("m", case.missing, "high"),
    )


def rate_rows(now: Scores, before: Scores, case: Case) -> Mapping[str, Reading]:
    """`acc_f`, `acc_r`, `acc_o`, `acc_m` where there is something to count, and `h` where both it is made of are there.

    A rate over many classes hides one that is still known. So where several are forgotten, the one that is known best,
    of equal ones the one with the least to count, has a row of its own. H has no interval, as it is no rate.
    """
    found: dict[str, Reading] = {}
    for letter, classes, aim in groups_of(case):
        if now.rate(classes).n:
            found[f"acc_{letter}"] = _row(f"acc_{letter}", now, classes, aim)
        known = [(label, rate) for label in classes if (rate := now.rate([label])).n] if aim == "low" else []
        if len(known) > 1:
            best, _ = max(known, key=lambda one: (one[1].percent, -one[1].n))
            found[f"acc_{letter}_worst"] = _row(f"acc_{letter}_worst", now, [best], aim)
    if (gone := found.get("acc_f")) and (kept := found.get("acc_r")):
        h = harmonic_mean(kept.value, before.rate(case.forget).percent - gone.value)
        found["h"] = Reading("h", h, "%", gone.n + kept.n, aim="high")
    return found


def _row(key: str, now: Scores, classes: Collection[int], aim: Aim) -> Reading:
    rate = now.rate(classes)
    interval = now.interval(classes, rate.percent)
    return Reading(key, rate.percent, "%", rate.n, interval.low, interval.high, aim)
