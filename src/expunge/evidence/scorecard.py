"""The file `scorecard.json`, format expunge/scorecard/v1: every measure of an edited model beside original and oracle.

Numbers are rounded to four decimals when a value is made, so that memory, file and page always agree.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from statistics import fmean
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from expunge.errors import ScorecardError
from expunge.evidence.measures.relearn_time import (
    Bound,
    RelearnTime,
    anamnesis_bound,
    anamnesis_index,
    difference_bound,
    steps_bound,
)
from expunge.evidence.metrics import Task
from expunge.evidence.protocol import Aim, Measure, Reading
from expunge.evidence.strangers.finding import BesideStrangers

SCHEMA = "expunge/scorecard/v1"

INDEX_OF: Mapping[str, str] = {
    "relearn_time": "anamnesis_index",
    "relearn_time_rows_alike": "anamnesis_index_rows_alike",
}
"""Row of re-learning steps -> the row of the index that is made from them."""
DERIVED: Mapping[str, str] = {
    "anamnesis_index": "anamnesis index (AIN)",
    "anamnesis_index_rows_alike": "AIN, rows anew",
}
"""Rows that no measure gives but that are made from those of several models, with their labels."""

_TO_ORACLE = ("idi", "js_forget", "js_retain", "cka_oracle_")
"""Prefixes of the rows that compare with the first oracle; of that oracle itself they say nothing."""

Readings = Sequence[Reading]
Part = Literal["value", "original", "oracle", "gap"]
"""A number of a row."""
Number = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lambda value: round(value, 4))]
Count = Annotated[int, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelName(_Record):
    """A model: what the user called it, and the SHA-256 of its weights."""

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Row(_Record):
    """One number of the edited model, and the same of the others.

    Attributes:
        key: Name of the row, as in `Reading`.
        label: What tables call it.
        measure: Name of the measure that gave it; "derived" for one made from other rows.
        unit: Unit of all numbers here.
        aim: What a good value is.
        value: The edited model's.
        low: Lower end of its 95 % interval; None where none is defined.
        high: Upper end.
        n: Images or other trials behind it.
        original: The original's value; None where it could not be taken.
        oracle: The oracle's value, the mean of several; None where there is none. An oracle has no value in rows that
            compare with itself.
        gap: value − oracle.
        oracles: How many oracles `oracle` is the mean of; the key is absent where it is one or none.
        bounds: Which of the numbers are known from one side only, or not at all, because re-learning was stopped at a
            greatest number of steps; the key is absent where all are known.
    """

    key: str
    label: str
    measure: str
    unit: str
    aim: Aim
    value: Number
    low: Number | None = None
    high: Number | None = None
    n: Count
    original: Number | None = None
    oracle: Number | None = None
    gap: Number | None = None
    oracles: Annotated[Count, Field(exclude_if=lambda value: value <= 1)] = 1
    bounds: Annotated[Mapping[Part, Bound], Field(exclude_if=lambda value: not value)] = {}

    def bounded(self, part: Part, text: str) -> str:
        """Text of a number of this row: as it is, "at most" or "at least" that, or "unknown"."""
        match self.bounds.get(part):
            case "at_most":
                return f"at most {text}"
            case "at_least":
                return f"at least {text}"
            case "unknown":
                return "unknown"
            case None:
                return text


class Scorecard(_Record):
    """Everything measured of one edited model; what `scorecard.json` holds.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        task: What the models do; the key is absent of classifiers. Of detectors, rows of rates hold AP50.
        edited: The model under test.
        original: The model before any request.
        oracles: Models that never saw the forgotten classes; none if there were none.
        data: What the images were read from.
        classes: All class names, in the order of the head's rows.
        forgotten: Classes of the request.
        earlier: Classes of earlier requests.
        missing: Retained classes without training images.
        images: Number of images, or of scenes: attack, test.
        seed: Seed of the measures.
        rows: The numbers, in the order of the measures.
        skipped: Measure -> why it was not taken of the edited model.
        strangers: How the forgotten classes stand beside strangers; the key is absent where there were none.
        stand_in: What classes that stay, in the strangers' place, let one say; the key is absent with strangers or an
            oracle.
        text_model: The text model that made the original's rows from the names of the classes; the key is absent where
            they were trained.
    """

    schema_: Annotated[Literal["expunge/scorecard/v1"], Field(alias="schema")] = SCHEMA
    task: Annotated[Task, Field(exclude_if=lambda value: value == "classification")] = "classification"
    edited: ModelName
    original: ModelName
    oracles: tuple[ModelName, ...] = ()
    data: str
    classes: tuple[str, ...]
    forgotten: tuple[str, ...]
    earlier: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    images: tuple[Count, Count]
    seed: int
    rows: tuple[Row, ...]
    skipped: Mapping[str, str] = {}
    strangers: Annotated[BesideStrangers | None, Field(exclude_if=lambda value: value is None)] = None
    stand_in: Annotated[str, Field(exclude_if=lambda value: not value)] = ""
    text_model: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        for field in ("forgotten", "earlier", "missing"):
            for name in getattr(self, field):
                if name not in self.classes:
                    raise ValueError(f"{field}: {name!r} is not a class of the model")
        keys = [row.key for row in self.rows]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise ValueError(f"rows: {twice[0]!r} is there more than once")
        return self

    @property
    def retained(self) -> tuple[str, ...]:
        """Names of the classes that stay."""
        gone = {*self.forgotten, *self.earlier}
        return tuple(name for name in self.classes if name not in gone)

    def __getitem__(self, key: str) -> Row:
        """The row of that key.

        Raises:
            KeyError: It was not measured; `skipped` may say why.
        """
        found = self.row(key)
        if found is None:
            raise KeyError(key)
        return found

    def row(self, key: str) -> Row | None:
        """The row of that key, if it was measured."""
        return next((row for row in self.rows if row.key == key), None)

    def to_json(self) -> str:
        """The text of `scorecard.json`: two-space indent, one trailing newline."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text of a `scorecard.json`.

        Raises:
            ScorecardError: The text is not JSON, or a field is missing, unknown or out of range; the message names
                the first such field.
        """
        try:
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            problem = first["msg"].removeprefix("Value error, ")
            raise ScorecardError(
                f"scorecard.json does not follow {SCHEMA}: {where + ': ' if where else ''}{problem}. "
                "Restore the file or measure again."
            ) from error


def leans_on_oracle(key: str) -> bool:
    """Whether a row cannot be had without an oracle, whatever limit is set to it."""
    return key in DERIVED or key.startswith(_TO_ORACLE)


def make_rows(
    measures: Iterable[Measure], edited: Readings, original: Readings, oracles: Sequence[Readings] = ()
) -> tuple[Row, ...]:
    """Puts the readings of several models side by side.

    A reading that is no finite number is left out, in whichever model it is; so is an end of an interval.

    Args:
        measures: The measures that were taken, for names and labels.
        edited: Readings of the edited model; each gives a row.
        original: Readings of the original.
        oracles: Readings of each oracle; the first is the one that measures look at.
    """
    taken = tuple(measures)
    labels = {key: (measure.name, label) for measure in taken for key, label in measure.labels.items()}
    cap = next((measure.cap for measure in taken if isinstance(measure, RelearnTime)), RelearnTime.cap)
    originally, oracle = _values(original), _of_oracles([_values(one) for one in oracles])
    rows = []
    for reading in edited:
        if not isfinite(reading.value):
            continue
        measure, label = labels.get(reading.key, ("", reading.key))
        before, others = originally.get(reading.key), oracle.get(reading.key, [])
        if reading.key not in INDEX_OF:
            rows.append(_row(reading, measure, label, before, others))
            continue
        # A mean is a bound as soon as one of its numbers is.
        counts = (reading.value, before or 0.0, max(others, default=0.0))
        known: list[Bound | None] = [steps_bound(steps, cap) for steps in counts]
        rows.append(_row(reading, measure, label, before, others, known))
        if others:
            rows.append(_anamnesis(reading, before, others, cap))
    return tuple(rows)


def _row(
    reading: Reading,
    measure: str,
    label: str,
    original: float | None,
    oracles: Sequence[float],
    bounds: Sequence[Bound | None] = (None, None, None),
) -> Row:
    """A row; `bounds` says how the value, the original's and the oracle's are known."""
    low, high = (None if end is None or not isfinite(end) else end for end in (reading.low, reading.high))
    oracle = fmean(oracles) if oracles else None
    of_value, of_original, of_oracle = bounds
    known: dict[Part, Bound | None] = {"value": of_value, "original": of_original, "oracle": of_oracle}
    if oracle is not None:
        known["gap"] = difference_bound(of_value, of_oracle)
    return Row(
        key=reading.key,
        label=label,
        measure=measure,
        unit=reading.unit,
        aim=reading.aim,
        value=reading.value,
        low=low,
        high=high,
        n=reading.n,
        original=original,
        oracle=oracle,
        gap=None if oracle is None else reading.value - oracle,
        oracles=max(1, len(oracles)),
        bounds={part: bound for part, bound in known.items() if bound},
    )


def _anamnesis(steps: Reading, original: float | None, oracles: Sequence[float], cap: int) -> Row:
    """AIN: how many steps re-learning takes, as a multiple of the oracle's."""
    oracle, longest = fmean(oracles), max(oracles)
    index = Reading(INDEX_OF[steps.key], anamnesis_index(steps.value, oracle), "ratio", steps.n)
    before = None if original is None else anamnesis_index(original, oracle)
    of_value = anamnesis_bound(steps.value, longest, cap)
    of_original = None if original is None else anamnesis_bound(original, longest, cap)
    return _row(index, "derived", DERIVED[index.key], before, [1.0], (of_value, of_original, None))


def _values(readings: Readings) -> dict[str, float]:
    return {reading.key: reading.value for reading in readings if isfinite(reading.value)}


def _of_oracles(several: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """The values of each key, from all oracles that have it; the first is not compared with itself."""
    found: dict[str, list[float]] = {}
    for place, one in enumerate(several):
        for key, value in one.items():
            if place or not key.startswith(_TO_ORACLE):
                found.setdefault(key, []).append(value)
    return found
