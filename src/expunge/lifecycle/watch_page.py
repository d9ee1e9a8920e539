"""The cumulative watch as one page that loads nothing and runs no script."""

from collections.abc import Sequence

from expunge.lifecycle.economics import Economics, Prices
from expunge.lifecycle.watch import Point
from expunge.pages import page_environment
from expunge.tasks import find_task
from expunge.values import CLASSIFICATION

WIDTH, HEIGHT = 600, 200


def render_watch(points: Sequence[Point], warnings: Sequence[str], money: Economics | None, prices: Prices) -> str:
    """One HTML page.

    Args:
        points: The history, oldest first.
        warnings: What to look out for.
        money: The arithmetic; None where no prices were given.
        prices: What was given.
    """
    rate = points[-1].rate if points else ""
    task = find_task(points[-1].task or CLASSIFICATION) if points else None
    return (
        page_environment("expunge.lifecycle", "expunge.evidence.report")
        .get_template("watch.html.j2")
        .render(
            points=points,
            rate=rate,
            task=task,
            warnings=warnings,
            sentences=() if money is None else in_words(money),
            prices=prices,
            lines={
                f"{rate}_r": line([point.acc_r for point in points]),
                f"{rate}_r, original": line([point.acc_r_original for point in points]),
                f"{rate}_r, head mask": line([point.acc_r_mask for point in points]),
                f"{rate}_o": line([point.acc_o or 0.0 for point in points]),
            },
            width=WIDTH,
            height=HEIGHT,
        )
    )


def line(values: Sequence[float]) -> str:
    """Points of a curve of percentages, as SVG has them: from left to right, 100 % at the top."""
    step = WIDTH / max(len(values) - 1, 1)
    return " ".join(f"{step * i:.1f},{HEIGHT * (1 - value / 100):.1f}" for i, value in enumerate(values))


def in_words(money: Economics) -> tuple[str, ...]:
    """The arithmetic in sentences."""
    even = "" if money.break_even is None else f"{money.break_even:.1f} requests cost as much as one retraining"
    months = "" if money.months is None else f"; at the expected pace they come together in {money.months:.1f} months"
    return (
        f"One request took {money.seconds_per_request:.1f} s on average over {money.requests}, evidence included: "
        f"{money.price_per_request:.4f} each, {money.price_per_month:.2f} a month.",
        f"A retraining costs {money.price_of_retraining:.2f}. {even}{months}.",
        "Retraining pays in money only if that many requests may wait for it together; their time limits decide "
        "whether they may.",
        f"Compaction, which merges all edits for good, would free {money.edit_bytes:,} bytes and end all undoing. "
        "Served models are merged already, so it saves no time when they answer.",
    )
