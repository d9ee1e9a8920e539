"""The table of verdicts by an oracle beside verdicts by strangers."""

from collections import Counter
from collections.abc import Mapping, Sequence

from expunge.bench._columns import heading_of
from expunge.bench._verdicts import Finding, verdict_words
from expunge.bench.aggregate import Summary

WORDS: Mapping[Finding, str] = {
    "innocent": "as never seen",
    "known": "still known",
    "hole": "a hole",
    "open": "open",
}
NONE = "–"

READING = (
    "By the oracle and by strangers: what the default policy's rules that need the one, or the other, make of features "
    "and answers, and in how many seeds where these differ; *open* where they say nothing. p: against *no better known "
    "than strangers* and *no less known*, one a seed. The last columns are the whole policy: seeds that pass with the "
    "oracle, and with strangers in its place, and the rows that others fail by."
)


def verdict_table(summary: Summary) -> str:
    """The table as Markdown; empty where the suite has no strangers."""
    if not summary.beside:
        return ""
    headings = heading_of(summary.task)
    lines = [["method", "by the oracle", "by strangers", "known, p", "hole, p", "passes, oracle", "passes, strangers"]]
    lines.append(["---"] * len(lines[0]))
    for method in summary.methods:
        by_seed = summary.beside.get(method)
        if by_seed:
            verdicts = summary.verdicts.get(method)
            lines.append(
                [
                    method,
                    _counted([one.by_oracle for one in by_seed.values()]),
                    _counted([one.by_strangers for one in by_seed.values()]),
                    _values([one.known_p for one in by_seed.values()]),
                    _values([one.hole_p for one in by_seed.values()]),
                    verdict_words(verdicts, headings) if verdicts else NONE,
                    verdict_words({seed: one.whole for seed, one in by_seed.items()}, headings),
                ]
            )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def agreement(summary: Summary) -> str:
    """One line: in how many cells the two say the same of the features."""
    pairs = [one for by_seed in summary.beside.values() for one in by_seed.values()]
    same = sum(one.by_oracle == one.by_strangers for one in pairs)
    return f"The two say the same of {same} of {len(pairs)} cells." if pairs else ""


def _counted(findings: Sequence[Finding]) -> str:
    counts = Counter(findings)
    if len(counts) == 1:
        return WORDS[findings[0]]
    return ", ".join(f"{WORDS[name]} {counts[name]}" for name in WORDS if name in counts)


def _values(values: Sequence[float | None]) -> str:
    return ", ".join(NONE if value is None else f"{value:.2g}" for value in values)
