"""The file `metrics.json`, format expunge/metrics/v1: what every request did, in numbers.

Of a classifier rates are accuracies, of a detector they are COCO's AP50, the mean over the classes of a group; the keys
are the same. Rates are percentages rounded to two decimals, as are seconds; rounding happens when a value is made,
so that memory, file and report always agree. Key order is the order of the fields.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from expunge.errors import CorruptRunError
from expunge.intervals import wilson
from expunge.tasks import find_task, task_names
from expunge.values import Rate

SCHEMA = "expunge/metrics/v1"


def _installed(name: str) -> str:
    if name not in (there := task_names()):
        raise ValueError(f"expected one of {', '.join(there)}, got {name!r}")
    return name


Task = Annotated[str, AfterValidator(_installed)]
"""Name of an installed task; see `expunge.tasks`."""


def _two_decimals(value: float) -> float:
    return round(value, 2)


Percent = Annotated[float, Field(ge=0, le=100), AfterValidator(_two_decimals)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_two_decimals)]
Count = Annotated[int, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelInfo(_Record):
    """The model as it was before any request.

    Attributes:
        name: What the user called it: a folder, a hub id or a zoo name.
        sha256: Digest of its weights, 64 hexadecimal digits.
        classes: All class names, in the order of the head's rows.
        text_model: The text model that made those rows from the names; the key is absent where they were trained.
    """

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    classes: tuple[str, ...]
    text_model: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None


class Baseline(_Record):
    """Accuracy of the untouched model on all `n` test images; of a detector AP50, and test objects."""

    acc: Percent
    n: Count


class ImagesUsed(_Record):
    """Number of training images a request looked at."""

    forget: Count
    retain: Count


class Change(_Record):
    """One rate under the untouched model and under the model after a request, on the same images.

    Attributes:
        before: Rate of the original model, before the first request.
        after: Rate after this request.
        n: Number of test images; of a detector, of test objects.
        ci95: Interval of `after` at the 95 % level: Wilson's; of a detector, the bootstrap's over scenes.
    """

    before: Percent
    after: Percent
    n: Count
    ci95: tuple[Percent, Percent]

    @classmethod
    def between(cls, before: Rate, after: Rate) -> Self:
        """The change from one rate to another, measured on the same images."""
        interval = wilson(after.hits, after.n)
        return cls(before=before.percent, after=after.percent, n=after.n, ci95=(interval.low, interval.high))


class HeadMask(_Record):
    """Figures of the head mask: the original model with the forgotten classes masked, on the same images.

    Attributes:
        acc_f: Accuracy on the classes of this request.
        acc_r: Accuracy on the classes that stay.
        h: Harmonic mean of `acc_r` and the drop.
        acc_m: Accuracy on the classes that stay but had no images; the key is absent without such classes.
    """

    acc_f: Percent
    acc_r: Percent
    h: Percent
    acc_m: Annotated[Percent | None, Field(exclude_if=lambda value: value is None)] = None


class WeightsAlone(_Record):
    """The same images with the original head's rows put back for all classes forgotten so far.

    A struck row hides a class, and whoever has the public original has that row: what is named here the weights know.

    Attributes:
        acc_f: Accuracy on the classes of this request.
        acc_o: Accuracy on the classes of earlier requests; None for the first request.
        h: Harmonic mean of the accuracy on classes that stay, with these rows in the head, and the drop.
    """

    acc_f: Change
    acc_o: Change | None
    h: Percent


class Groups(_Record):
    """Groups of low-rank weights: how many there are, and how many stayed above zero."""

    total: Count
    kept: Count


class Parameters(_Record):
    """Weights of the edit, and weights of the model."""

    edited: Count
    total: Count


class RequestMetrics(_Record):
    """One request: what it names, what it took, what the model knows after it.

    Attributes:
        classes: Names of the classes this request forgets.
        images: Training images used.
        seconds: Wall-clock time.
        acc_f: Accuracy on the classes of this request.
        acc_r: Accuracy on all classes that stay, those without images included.
        acc_o: Accuracy on the classes of earlier requests; None for the first request.
        acc_m: Accuracy on the classes that stay but had no images; None where there are none.
        h: Harmonic mean of `acc_r` after and the drop.
        head_mask: The same figures for the head mask.
        groups: Groups of the edit.
        parameters: Weights touched.
        bytes: Size of the stored edit.
        weights_alone: The same with the original head's rows put back; the key is absent where it was not measured.
    """

    classes: tuple[str, ...]
    images: ImagesUsed
    seconds: Seconds
    acc_f: Change
    acc_r: Change
    acc_o: Change | None
    acc_m: Change | None
    h: Percent
    head_mask: HeadMask
    groups: Groups
    parameters: Parameters
    bytes: Count
    weights_alone: Annotated[WeightsAlone | None, Field(exclude_if=lambda value: value is None)] = None

    @property
    def drop(self) -> float:
        """Loss of accuracy on the forgotten classes, in percentage points; below 0 if it rose."""
        return round(self.acc_f.before - self.acc_f.after, 2)


class Metrics(_Record):
    """Everything measured in one run; what `metrics.json` holds.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        task: What the model does; the key is absent of a classifier.
        unit: What the rates of that task are: "AP50" of a detector; absent of a classifier.
        model: The model before any request.
        method: Name of the forgetting method.
        seed: Seed of the run.
        baseline: Accuracy before any request.
        requests: The finished requests, in order.
    """

    schema_: Annotated[Literal["expunge/metrics/v1"], Field(alias="schema")] = SCHEMA
    task: Annotated[Task, Field(exclude_if=lambda value: value == "classification")] = "classification"
    unit: Annotated[str, Field(exclude_if=lambda value: value == "accuracy")] = "accuracy"
    model: ModelInfo
    method: str
    seed: int
    baseline: Baseline
    requests: tuple[RequestMetrics, ...] = ()

    @model_validator(mode="after")
    def _the_unit_is_the_tasks(self) -> Self:
        unit = find_task(self.task).unit
        if self.unit != unit:
            raise ValueError(f"unit: expected {unit!r} for the task {self.task!r}, got {self.unit!r}")
        return self

    @model_validator(mode="after")
    def _requests_fit_the_model(self) -> Self:
        left = set(self.model.classes)
        for index, request in enumerate(self.requests):
            for name in request.classes:
                if name not in left:
                    known = "already forgotten" if name in self.model.classes else "not a class of the model"
                    raise ValueError(f"requests[{index}].classes: {name!r} is {known}")
                left.remove(name)
        return self

    def with_request(self, request: RequestMetrics) -> Self:
        """These metrics with one more finished request at the end."""
        return type(self)(
            task=self.task,
            unit=self.unit,
            model=self.model,
            method=self.method,
            seed=self.seed,
            baseline=self.baseline,
            requests=(*self.requests, request),
        )

    def to_json(self) -> str:
        """The text of `metrics.json`: two-space indent, one trailing newline."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text of a `metrics.json`.

        Raises:
            CorruptRunError: The text is not JSON, or a field is missing, unknown or out of range; the
                message names the first such field.
        """
        try:
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise CorruptRunError(_explain(error)) from error


def _explain(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False)
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    where = f"{field.lstrip('.')}: " if field else ""
    came = "" if first["type"] in {"missing", "json_invalid", "value_error"} else f", got {first['input']!r:.60}"
    more = f" (and {len(others)} more)" if others else ""
    return f"metrics.json does not follow {SCHEMA}: {where}{problem}{came}{more}. Restore the file or run again."
