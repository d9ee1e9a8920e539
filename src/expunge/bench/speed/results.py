"""Results of a run of `expunge bench speed` on disk, format expunge/speed/v1."""

from math import isclose
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from expunge.bench._results import Machine
from expunge.errors import CorruptRunError

SCHEMA = "expunge/speed/v1"

Count = Annotated[int, Field(ge=0)]
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Timing(_Record):
    """One method on one model, with one number of images.

    A method that was run whole has no steps. Of one with a schedule a few steps were timed, and `seconds` is
    `setup_seconds + schedule_steps * step_seconds`.

    Attributes:
        model: Which model.
        method: Name of the method, or "oracle".
        images: Images a class; None for an oracle, which has all of its recipe's.
        seconds: Of one request; for an oracle of its training.
        fastest: `seconds` of the fastest of the runs.
        slowest: `seconds` of the slowest of the runs.
        setup_seconds: Reading the images and whatever comes before the first step; 0 where the method was run whole.
        step_seconds: Of a step with as many images as one of the schedule has on average; None where there are none.
        measured_steps: Steps that were timed, the warm-up step not counted.
        schedule_steps: Steps of the whole schedule.
        extrapolated: Whether `seconds`, `forward` and `backward` follow from fewer steps than the schedule has.
        schedule: What the schedule is, in words; "" where there is none.
        runs: How many runs there were; all numbers are those of the run with the median time.
        peak_mb: Greatest memory during the measurement, above what was held before, in MB; None if it would mislead.
        images_read: Images whose pixels were read.
        forward: Forward passes of one image through all blocks; passes through half of the blocks count half.
        backward: Backward passes, counted alike.
    """

    model: str
    method: str
    images: Annotated[int, Field(ge=1)] | None
    seconds: Seconds
    fastest: Seconds
    slowest: Seconds
    setup_seconds: Size = 0.0
    step_seconds: Seconds | None = None
    measured_steps: Count = 0
    schedule_steps: Count = 0
    extrapolated: bool = False
    schedule: str = ""
    runs: Annotated[int, Field(ge=1)]
    peak_mb: Size | None
    images_read: Count
    forward: Size
    backward: Size

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.extrapolated != (self.measured_steps < self.schedule_steps):
            raise ValueError("extrapolated must say whether fewer steps were measured than the schedule has")
        if (self.step_seconds is None) != (self.schedule_steps == 0):
            raise ValueError("step_seconds must be there if, and only if, there are steps")
        if self.step_seconds is not None:
            whole = self.setup_seconds + self.schedule_steps * self.step_seconds
            if not isclose(self.seconds, whole, rel_tol=1e-6):
                raise ValueError(f"seconds must be setup and all steps together, {whole:.6g}, not {self.seconds:.6g}")
        if not self.fastest <= self.seconds <= self.slowest:
            raise ValueError("seconds must lie between fastest and slowest")
        return self


class Skipped(_Record):
    """A measurement left out: a method, all methods if "", with one number of images or with any if None; and why."""

    model: str
    method: str
    images: int | None
    reason: Annotated[str, Field(min_length=1)]


class GrowthPoint(_Record):
    """Seconds of a request at one place of a curve: median, least and greatest of `runs` runs."""

    x: Count
    seconds: Seconds
    fastest: Seconds
    slowest: Seconds
    runs: Annotated[int, Field(ge=1)]


class Curve(_Record):
    """Growth of a request's seconds with one thing.

    Attributes:
        of: What x counts.
        fixed: What stays the same, in words.
        points: By x.
    """

    of: Literal["classes", "forget images", "edited blocks", "requests done"]
    fixed: str
    points: tuple[GrowthPoint, ...]


class Model(_Record):
    """A model that was timed.

    Attributes:
        name: Its name.
        summary: What it is.
        parameters: How many it has.
        blocks: How many it has.
        classes: How many its head knows.
        pictured: How many of them have images.
    """

    name: str
    summary: str
    parameters: Count
    blocks: Count
    classes: Count
    pictured: Count


class Speed(_Record):
    """The result of one run.

    Attributes:
        command: What was called, without folders.
        commit: Commit of the repository, or "".
        machine: Where it ran.
        reference: The method that ratios are taken to and that curves are of.
        models: The models, in the order they were timed.
        timings: What was measured.
        skipped: What was not.
        growth: How the reference's seconds grow.
    """

    schema_: Annotated[Literal["expunge/speed/v1"], Field(alias="schema")] = SCHEMA
    command: str
    commit: str = ""
    machine: Machine
    reference: str
    models: tuple[Model, ...]
    timings: tuple[Timing, ...]
    skipped: tuple[Skipped, ...] = ()
    growth: tuple[Curve, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        keys = [(timing.model, timing.method, timing.images) for timing in self.timings]
        if len(keys) != len(set(keys)):
            raise ValueError("a method must be there once a model and number of images")
        unknown = {timing.model for timing in self.timings} - {model.name for model in self.models}
        if unknown:
            raise ValueError(f"timings of models that are not described: {', '.join(sorted(unknown))}")
        return self

    def to_json(self) -> str:
        """The text of `speed.json`."""
        return self.model_dump_json(indent=1, by_alias=True) + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text of `speed.json`.

        Raises:
            CorruptRunError: It does not follow the schema, or its numbers contradict each other.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise CorruptRunError(f"not a result of {SCHEMA}: {where}: {first['msg']}. Measure again.") from error
