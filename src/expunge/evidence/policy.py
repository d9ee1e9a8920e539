"""A policy: a plain file of limits that turns a scorecard into a verdict with reasons."""

import tomllib
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from expunge.errors import PolicyError
from expunge.evidence.metrics import Task
from expunge.tasks import find_task

SCHEMA = "expunge/policy/v1"

Kind = Literal["erasure", "harm", "hole"]
Aim = Literal["as-never-seen", "not-to-be-found-again"]
"""Aim of an erasure: that the class is to the model what any stranger is, or that it is found less than one."""
Limit = Annotated[float, Field(allow_inf_nan=False)]
Distance = Annotated[float, Field(ge=0, allow_inf_nan=False)]

_OTHER_END = {"max": "low", "min": "high", "max_loss_from_original": "high"}
"""The end of the interval that keeps a limit wherever the value does, so that counting it asks for nothing."""


class Rule(BaseModel):
    """One demand on one row of a scorecard; exactly one of the four limits is set.

    Nothing is guessed: a number in quotes or a yes for a number is refused, and so are settings that contradict each
    other.

    Attributes:
        key: The row.
        kind: "erasure" for what must be gone, "harm" for what must not have been lost, "hole" for what would show
            by its absence that something was there.
        min: Least value, in the row's unit.
        max: Greatest value.
        max_gap_to_oracle: Greatest distance from the oracle's value.
        max_loss_from_original: Greatest fall below the original's value.
        side: Whether a gap counts on both sides of the oracle's value, only above, or only below it.
        counts: What is held against the limit: the value, or an end of its interval; of a gap to both sides, either
            end.
        min_n: Fewest images that say anything.
        when: Whether the rule applies only with, or only without, an oracle.
        unless: A row beside which the rule does not apply: where that row was measured, another rule says more.
        required: Whether the verdict stays open where the row was not measured.
        control: Whether the rule is undecided where the untouched model keeps the limit, too: a test that lets that one
            pass tells nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key: str
    kind: Kind
    min: Limit | None = None
    max: Distance | None = None
    max_gap_to_oracle: Distance | None = None
    max_loss_from_original: Distance | None = None
    side: Literal["both", "above", "below"] = "both"
    counts: Literal["value", "low", "high"] = "value"
    min_n: Annotated[int, Field(ge=0)] = 0
    when: Literal["always", "oracle", "no_oracle"] = "always"
    unless: str | None = None
    required: bool = True
    control: bool = False

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        limits = ("min", "max", "max_gap_to_oracle", "max_loss_from_original")
        given = [name for name in limits if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of {', '.join(limits)}, got {', '.join(given) or 'none'}")
        return self

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        if self.max_gap_to_oracle is None:
            if "side" in self.model_fields_set:
                raise ValueError(f"side = {self.side!r} is about a gap; it needs max_gap_to_oracle, or leave it out")
            other = next(end for name, end in _OTHER_END.items() if getattr(self, name) is not None)
        else:
            if self.when == "no_oracle":
                raise ValueError("max_gap_to_oracle needs an oracle, but when = 'no_oracle' applies without one")
            other = {"above": "low", "below": "high", "both": ""}[self.side]
        if self.counts == other:
            raise ValueError(
                f"counts = {self.counts!r} asks for nothing here, as that end keeps the limit wherever the value does; "
                f"expected 'value' or {'high' if other == 'low' else 'low'!r}"
            )
        if self.control and self.min is None and self.max is None:
            raise ValueError("control = true holds the untouched model to the same limit; it needs min or max")
        if self.unless == self.key:
            raise ValueError(f"unless = {self.unless!r} is the rule's own row, beside which it could never apply")
        return self


class Policy(BaseModel):
    """Content of a policy file.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        name: What the verdict calls it.
        aim: What an erasure is for, in the verdict's words; the rules decide. None where the file does not say.
        four_eyes: Whether one person approves what was measured and another one releases it.
        name_targets: Whether certificates name classes; otherwise they show keyed digests of the names.
        rule: The rules, in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Annotated[Literal["expunge/policy/v1"], Field(alias="schema")]
    name: str
    aim: Aim | None = None
    four_eyes: Annotated[bool, Field(strict=True)] = False
    name_targets: Annotated[bool, Field(strict=True)] = True
    rule: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @classmethod
    def parse(cls, text: str, *, source: str, known: Collection[str] | None = None) -> Self:
        """Reads the text of a policy file.

        Args:
            text: TOML.
            source: What messages call it.
            known: All row keys that can be measured; None not to check.

        Raises:
            PolicyError: The text is not TOML, a field is missing, unknown or out of range, or a rule asks for a row
                that nothing measures.
        """
        try:
            policy = cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise PolicyError(f"{source} is no TOML: {error}") from error
        except ValidationError as error:
            raise PolicyError(f"{source} does not follow {SCHEMA}: {_first(error)}") from error
        if known is not None:
            for number, rule in enumerate(policy.rule, start=1):
                for wanted in (rule.key, rule.unless):
                    if wanted is not None and wanted not in known:
                        near = sorted(known, key=lambda key, wanted=wanted: _distance(key, wanted))[:6]
                        raise PolicyError(
                            f"{source}: rule {number} asks for {wanted!r}, which nothing measures; "
                            f"there is {', '.join(near)}, …"
                        )
        return policy


def load_policy(
    path: Path | None = None, *, known: Collection[str] | None = None, task: Task = "classification"
) -> Policy:
    """Reads a policy file, or one that comes with us: by its name, or the default of a task; see `Policy.parse`.

    Raises:
        PolicyError: The file cannot be read, or is no policy.
    """
    if path is None:
        return Policy.parse(_shipped(f"{find_task(task).policy}.toml"), source="the default policy", known=known)
    path = named_for(path, task)
    if _is_ours(path):
        return Policy.parse(_shipped(f"{path}.toml"), source=f"the policy {path}", known=known)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"the policy {path} cannot be read: {error}") from error
    return Policy.parse(text, source=str(path), known=known)


def named_for(path: Path, task: Task) -> Path:
    """The policy that comes with us under a name; where a task has one of its own under it, as embedders have, that."""
    own = Path(f"{path}-{task}")
    return own if _is_ours(path) and _is_ours(own) else path


def _is_ours(path: Path) -> bool:
    """Whether a policy comes with us and no file has that name."""
    shipped = files("expunge.evidence") / "policies" / f"{path}.toml"
    return path.name == str(path) and not path.exists() and shipped.is_file()


def _shipped(name: str) -> str:
    return (files("expunge.evidence") / "policies" / name).read_text(encoding="utf-8")


def _first(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False)[0]
    where, names = "", list(first["loc"])
    for part in names:
        where += f" {part + 1}" if isinstance(part, int) else f"{', ' if where else ''}{part}"
    problem = first["msg"].removeprefix("Value error, ")
    came = "" if first["type"] in {"missing", "value_error"} else f", got {first['input']!r:.60}"
    return f"{where}: {problem}{came}"


def _distance(key: str, wanted: str) -> float:
    """Distance of two names; small for a slip of the pen."""
    from difflib import SequenceMatcher

    return 1 - SequenceMatcher(None, key, wanted).ratio()
