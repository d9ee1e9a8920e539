"""Finding beside strangers, in words, and the part of `scorecard.json` that holds it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from expunge.evidence.strangers._relative import Nearer
from expunge.evidence.strangers.beside import LEVEL, Beside, On
from expunge.evidence.strangers.lineup import Side

Finding = Literal["innocent", "known", "hole", "too_few", "unlike", "blind"]
"""Not to be told from strangers; still known; told by knowing less; strangers too few, or of another kind; or
strangers beside whom not even the untouched model stands out."""

Number = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lambda value: round(value, 4))]

_NAMED = 3
"""Rows that are named in a sentence, at the most."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StrangersRow(_Record):
    """One row, class by class.

    Attributes:
        key: Name of the row.
        label: What tables call it.
        known_side: On which side of strangers known classes stand.
        forgotten: Each forgotten class's value.
        strangers: The strangers' values, ascending.
        area: The chance, in percent, that a forgotten class looks better known than a stranger; 50 is right.
        known_p: p-value of this row alone against "no better known".
        hole_p: p-value of this row alone against "no less known".
    """

    key: str
    label: str
    known_side: Side
    forgotten: Mapping[str, Number]
    strangers: tuple[Number, ...]
    area: Number
    known_p: Number | None
    hole_p: Number | None


class RelativeRow(_Record):
    """One relative three-sample test: is the edited model nearer to the innocent or to the original?

    Attributes:
        on: What was looked at.
        statistic: Above 0 on the innocent side.
        p_innocent: Small if it stands on the innocent side beyond chance.
        p_original: Small if it stands on the original's side beyond chance.
        nearer: The side that is beyond chance.
    """

    on: On
    statistic: Number
    p_innocent: Number
    p_original: Number
    nearer: Nearer


class BesideStrangers(_Record):
    """Place of the edited model's forgotten classes beside strangers.

    Attributes:
        source: What the strangers were read from.
        classes: How many strangers.
        images: Attack and test images of each class, forgotten or strange.
        level: In what share of cases an innocent class is told from strangers all the same, on either side.
        known_p: p-value over all rows against "no better known than strangers"; None with too few strangers.
        hole_p: The same on the other side.
        original_known_p: `known_p` of the untouched model: what cannot tell that one can tell nothing.
        alike_p: p-value of thumbnails against "strangers are of the kind of the classes that stay"; None where it could
            not be taken.
        finding: What it comes to.
        words: The same as a sentence.
        relative: The three-sample tests.
        rows: The rows.
    """

    source: str
    classes: int
    images: tuple[int, int]
    level: Number
    known_p: Number | None
    hole_p: Number | None
    original_known_p: Number | None
    alike_p: Number | None
    finding: Finding
    words: str
    relative: tuple[RelativeRow, ...] = ()
    rows: tuple[StrangersRow, ...]


def find(
    edited: Beside, original: Beside | None, names: Sequence[str], labels: Mapping[str, str]
) -> tuple[Finding, str]:
    """Finding that follows from the edited model's place among strangers.

    Args:
        edited: The edited model's forgotten classes beside strangers.
        original: The untouched model's, beside the same.
        names: Names of the model's classes.
        labels: Row -> what tables call it.
    """
    told, before = edited.told, original.told if original else None
    if told is None:
        return "too_few", f"too few strangers to say ({edited.strangers}, {edited.wanted})"
    if edited.alike is not None and not edited.alike.holds:
        return "unlike", "nothing to be said: by thumbnails alone these strangers are of another kind than the classes"
    if before is None or before.known >= LEVEL:
        return "blind", "nothing to be said: beside these strangers not even the untouched model stands out"
    known = told.known < LEVEL and f"still known: {_telling(edited, told.row_known, names, labels, 1.0)}"
    hole = told.hole < LEVEL and f"a hole that shows: {_telling(edited, told.row_hole, names, labels, -1.0)}"
    if known or hole:
        return ("known" if known else "hole"), "; ".join(part for part in (known, hole) if part)
    return "innocent", "not to be told from somebody it never saw"


def without_strangers(held: Beside, names: Sequence[str], labels: Mapping[str, str]) -> str:
    """Words where classes that stay took the strangers' places: never that a class is as never seen."""
    bring = "bring strangers or an oracle to say more"
    if held.told is None or held.told.hole >= LEVEL:
        return f"as well known as classes that stay, as far as can be told: {bring}"
    less = _telling(held, held.told.row_hole, names, labels, -1.0)
    return f"less known than classes that stay ({less}); how much less than a stranger is open: {bring}"


def _telling(
    beside: Beside, p_values: Sequence[float], names: Sequence[str], labels: Mapping[str, str], sign: float
) -> str:
    """The rows that say most, and the class that stands out most in the first of them."""
    order = sorted(range(len(beside.keys)), key=lambda row: p_values[row])
    rows = [row for row in order if p_values[row] < LEVEL][:_NAMED] or order[:1]
    side = 1.0 if beside.sides[rows[0]] == "above" else -1.0
    most = int((sign * side * beside.values[rows[0], : len(beside.forgotten)]).argmax())
    who = f" (most {names[beside.forgotten[most]]})" if len(beside.forgotten) > 1 else ""
    return ", ".join(labels[beside.keys[row]] for row in rows) + who


def summarise(
    edited: Beside,
    original: Beside | None,
    *,
    source: str,
    names: Sequence[str],
    labels: Mapping[str, str],
) -> BesideStrangers:
    """The part of the scorecard; see `find` for the arguments."""
    finding, words = find(edited, original, names, labels)
    told, count = edited.told, len(edited.forgotten)
    areas = edited.areas.tolist()
    rows = tuple(
        StrangersRow(
            key=key,
            label=labels[key],
            known_side=side,
            forgotten={names[label]: value for label, value in zip(edited.forgotten, values[:count], strict=True)},
            strangers=tuple(sorted(values[count:])),
            area=100 * areas[number],
            known_p=told.row_known[number] if told else None,
            hole_p=told.row_hole[number] if told else None,
        )
        for number, (key, side, values) in enumerate(
            zip(edited.keys, edited.sides, edited.values.tolist(), strict=True)
        )
    )
    return BesideStrangers(
        source=source,
        classes=edited.strangers,
        images=edited.images,
        level=LEVEL,
        known_p=told.known if told else None,
        hole_p=told.hole if told else None,
        original_known_p=original.told.known if original and original.told else None,
        alike_p=edited.alike.p if edited.alike else None,
        finding=finding,
        words=words,
        relative=tuple(
            RelativeRow(
                on=on,
                statistic=one.statistic,
                p_innocent=one.p_innocent,
                p_original=one.p_original,
                nearer=one.nearer,
            )
            for on, one in edited.relative.items()
        ),
        rows=rows,
    )
