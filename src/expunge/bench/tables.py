"""Summaries as text: a Markdown table for people, a long CSV for programs."""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean

from expunge.bench._columns import Column, also_columns, columns, figure, heading_of, signed
from expunge.bench._ranking import best
from expunge.bench._results import ORIGINAL
from expunge.bench._t_interval import t_interval
from expunge.bench._verdicts import verdict_words
from expunge.bench.aggregate import Estimate, Summary

NONE = "–"
FIELDS = ("suite", "setting", "method", "key", "request", "mean", "low", "high", "seeds", "n", "gap", "bound")
HEAD_MASK = "head-mask"


def main_table(summary: Summary) -> str:
    """The Markdown table of one suite and setting at the end of its sequence.

    Rows are the anchors, then the methods by name; a method without cells keeps its row.
    """
    shown = columns(summary.keys, summary.task)
    return _of_all(summary, shown, {column.key: best(summary, column.key) for column in shown if not column.cost})


def also_table(summary: Summary) -> str:
    """The Markdown table of further rows, like `main_table` without bold; empty where there are none."""
    shown = also_columns(summary.keys, summary.task)
    return _of_all(summary, shown, {}) if shown else ""


def sizes(summary: Summary) -> str:
    """One line: how many images, or objects, of one seed are behind the rates of the main table."""
    counts: dict[str, list[str]] = {}
    for column in columns(summary.keys, summary.task):
        each = [e.n / len(e.by_seed) for (_, key), e in summary.final.items() if key == column.key and e.unit == "%"]
        if each and not column.cost:
            few, many = round(min(each)), round(max(each))
            counts.setdefault(f"{few:,}" if few == many else f"{few:,} to {many:,}", []).append(column.heading)
    lots = "; ".join(f"{', '.join(headings)} {n}" for n, headings in counts.items())
    return f"n, each seed: {lots}." if lots else ""


def _of_all(summary: Summary, shown: Sequence[Column], bold: Mapping[str, Collection[str]]) -> str:
    rows = [
        [method, *(_cell(summary.final.get((method, one.key)), method in bold.get(one.key, ())) for one in shown)]
        for method in summary.methods
    ]
    return _table(["method", *(column.heading for column in shown)], rows)


def legend(found: Sequence[Summary]) -> str:
    """Legend of the main tables."""
    counts = sorted({len(summary.seeds) for summary in found})
    brackets = "in brackets the 95 % interval over images, where the measure has one."
    spread = f"Mean over {' or '.join(map(str, counts))} seeds ± half of the 95 % t-interval over seeds."
    if counts == [1]:
        spread = f"One seed; {brackets}"
    elif any(_in_brackets(estimate) for summary in found for estimate in summary.final.values()):
        spread += f" Of one seed, {brackets}"
    if counts != [1]:
        spread += (
            " It says how much seeds differ, not how few images there are: 0 of 25 images is at most 13.3 %, 0 of 200 "
            "at most 1.9 % (Wilson's interval). Images of one class are alike, so intervals over images are narrow."
        )
    return (
        f"{spread} Measured after the last request; seconds are the mean a request, peak MB the greatest, edited MB "
        "the sum. In parentheses the gap to oracle-scratch, in rows that aim at the oracle. "
        "Bold: the best method, anchors aside, and all within two points of it (AIN: 0.1) that cannot be told from it "
        "at 95 % over the same seeds; nothing is bold where no method can be told from the best, nor what forgetting "
        "costs. A dash: not measured, or not run."
    )


def sequence_table(summary: Summary) -> str:
    """Table of the whole sequence's effect on each method, as Markdown; empty where there is one request only.

    H is the mean over all requests; the next column is what a mask on the head has more (negative: less), seed by seed,
    ± half of the 95 % t-interval over the seeds that both have. The last column is how many seeds pass the default
    policy after the last request, and which rows the others fail by, in how many of them.
    """
    if summary.requests == 1:
        return ""
    rows = []
    masked, headings = _mean_h(summary, HEAD_MASK), heading_of(summary.task)
    for method in summary.methods:
        if method == ORIGINAL:
            continue
        h = _mean_h(summary, method)
        lead = [masked[seed] - h[seed] for seed in sorted(h.keys() & masked.keys())]
        ends = (_cell(summary.final.get((method, key)), False) for key in ("erosion", "relapse"))
        verdicts = summary.verdicts.get(method)
        passed = verdict_words(verdicts, headings) if verdicts else NONE
        rows.append([method, figure(fmean(h.values()), "%") if h else NONE, _lead(lead), *ends, passed])
    return _table(["method", "mean H", "head mask's lead", "erosion", "relapse", "seeds that pass"], rows)


def absent_list(summary: Summary) -> str:
    """List of missing cells, as Markdown; empty where none is."""
    lines = [
        f"- {one.method}, {'all seeds' if one.seed is None else f'seed {one.seed}'}: {one.why}"
        for one in summary.absent
    ]
    return "\n".join(lines)


def as_markdown(found: Sequence[Summary]) -> str:
    """All tables of all suites and settings, each under a heading, with what is missing."""
    parts = [legend(found)]
    for summary in found:
        parts += [f"## {summary.suite}, {summary.setting}", main_table(summary), sizes(summary)]
        parts += [sequence_table(summary), also_table(summary)]
        if summary.absent:
            parts += ["Missing:", absent_list(summary)]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_csv(found: Sequence[Summary]) -> str:
    """Long form, one line a suite, setting, method, key and request, `FIELDS` in the first line.

    `request` is `all` for what stands at the end of the whole sequence: the values after the last request, and the
    costs over all of them. `gap` is the mean difference from oracle-scratch, and `bound` says
    where `mean` is a bound only, see `Estimate`. Numbers carry six significant digits.
    """
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n")
    write.writerow(FIELDS)
    for summary in found:
        lines: dict[tuple[str, str, int], Estimate] = dict(summary.steps)
        lines |= {(method, key, 0): estimate for (method, key), estimate in summary.final.items()}
        for (method, key, request), estimate in sorted(lines.items()):
            numbers = [_number(value) for value in (estimate.mean, estimate.low, estimate.high)]
            counts = (len(estimate.by_seed), estimate.n, _number(estimate.gap), estimate.bound)
            write.writerow([summary.suite, summary.setting, method, key, request or "all", *numbers, *counts])
    return text.getvalue()


def _mean_h(summary: Summary, method: str) -> dict[int, float]:
    """Seed -> mean over the requests, for the seeds that have all of them."""
    steps = [summary.steps.get((method, "h", number)) for number in range(1, summary.requests + 1)]
    by_seed = [step.by_seed if step else {} for step in steps]
    whole = set.intersection(*map(set, by_seed))
    return {seed: fmean(values[seed] for values in by_seed) for seed in sorted(whole)}


def _lead(differences: Sequence[float]) -> str:
    if not differences:
        return NONE
    text = signed(fmean(differences), "%")
    if len(differences) == 1:
        return text
    low, high = t_interval(differences)
    return f"{text} ± {figure((high - low) / 2, '%')}"


def _in_brackets(estimate: Estimate) -> bool:
    """Whether its interval is that of one seed's reading."""
    return len(estimate.by_seed) == 1 and None not in (estimate.low, estimate.high)


def _cell(estimate: Estimate | None, bold: bool) -> str:
    if estimate is None:
        return NONE
    text = figure(estimate.mean, estimate.unit)
    text = f"**{text}**" if bold else text
    text = f"{estimate.bound} {text}" if estimate.bound else text
    if estimate.low is not None and estimate.high is not None:
        ends = figure(estimate.low, estimate.unit), figure(estimate.high, estimate.unit)
        half = figure((estimate.high - estimate.low) / 2, estimate.unit, like=estimate.mean)
        text += f" [{ends[0]} to {ends[1]}]" if _in_brackets(estimate) else f" ± {half}"
    if estimate.aim == "oracle" and estimate.gap is not None:
        text += f" ({signed(estimate.gap, estimate.unit)})"
    return text


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


__all__ = [
    "FIELDS",
    "absent_list",
    "also_table",
    "as_csv",
    "as_markdown",
    "legend",
    "main_table",
    "sequence_table",
    "sizes",
]
