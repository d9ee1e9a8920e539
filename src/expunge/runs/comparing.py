"""Parts shared by comparisons of models, whatever the task: the roles of classes, and checks that models fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from expunge.errors import (
    AlreadyForgottenError,
    ClassMismatchError,
    DuplicateClassError,
    EvidenceError,
    NothingRetainedError,
    RequestError,
    UnknownClassError,
)
from expunge.evidence import ModelName
from expunge.runs.run import Stage
from expunge.tasks import Progress
from expunge.vision import Wrapped

M = TypeVar("M", bound=Wrapped)


@dataclass(frozen=True)
class ModelComparison(Generic[M]):
    """Models, data and classes of a comparison.

    Attributes:
        original: The model before any request.
        edited: The model after.
        forgotten: Names of the classes of the request.
        earlier: Names of classes forgotten before.
        missing: Names of retained classes of which the method had no images.
        oracles: Models that never saw the forgotten classes; measures may look at the first.
        seed: Seeds the measures.
        original_sha256: Digest of the original, where it is known.
    """

    original: M
    edited: M
    forgotten: tuple[str, ...]
    earlier: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    oracles: tuple[M, ...] = ()
    seed: int = 0
    original_sha256: str | None = None

    @property
    def models(self) -> tuple[tuple[str, M], ...]:
        """All models with the part they play: the edited one, the original, the oracles."""
        oracles = (("oracle", model) for model in self.oracles)
        return (("edited", self.edited), ("original", self.original), *oracles)

    @cached_property
    def sha256s(self) -> tuple[str, ...]:
        """Digests of `models`; each is taken once, as measuring changes none."""
        oracles = (model.digest() for model in self.oracles)
        return (self.edited.digest(), self.original_sha256 or self.original.digest(), *oracles)

    @property
    def names(self) -> tuple[ModelName, ...]:
        """All of `models` as scorecards name them."""
        return tuple(
            ModelName(name=one.name, sha256=sha) for (_, one), sha in zip(self.models, self.sha256s, strict=True)
        )


@dataclass(frozen=True)
class Parts:
    """Roles of the classes, as rows of the head.

    Attributes:
        forget: Classes of the request.
        earlier: Classes of earlier requests.
        missing: Those of `retain` of which the method had no images.
        retain: Classes that stay.
    """

    forget: tuple[int, ...]
    earlier: tuple[int, ...]
    missing: tuple[int, ...]
    retain: tuple[int, ...]


class Steps:
    """Counts steps of equal weight and tells of each before it begins."""

    def __init__(self, report: Callable[[Stage], None], total: int):
        """Nothing is told yet."""
        self._report, self._total, self._done = report, total, 0

    def __call__(self, note: str) -> None:
        """Notes that the next step begins."""
        self._report(Stage("measuring", Progress(self._done, self._total, note)))
        self._done += 1


def check_models(compared: ModelComparison[M]) -> None:
    """Makes sure that all models have the same classes in the same order, and that oracles are models of their own.

    Raises:
        ClassMismatchError: They do not.
        EvidenceError: An oracle has, bit for bit, the weights of the original or of the edited model.
    """
    for part, model in compared.models:
        check_classes(part, model, compared.original)
    if compared.oracles:
        _check_oracles(compared)


def check_classes(part: str, model: Wrapped, original: Wrapped) -> None:
    """Makes sure that a model has the classes of the original, in its order.

    Raises:
        ClassMismatchError: It has not.
    """
    wanted = original.classes
    if model.classes == wanted:
        return
    unlike = [name for name in (*wanted, *model.classes) if (name in wanted) != (name in model.classes)]
    how = f"differ in {', '.join(unlike[:5])}" if unlike else "are the same in another order"
    raise ClassMismatchError(
        f"the classes of the {part} model ({model.name}, {len(model.classes)}) and of the original "
        f"({original.name}, {len(wanted)}) {how}; give models whose heads have the same rows, also for a class that "
        "was never trained"
    )


def _check_oracles(compared: ModelComparison[M]) -> None:
    edited, original, *oracles = compared.sha256s
    digests = {edited: "edited", original: "original"}
    for oracle, sha256 in zip(compared.oracles, oracles, strict=True):
        same = digests.get(sha256)
        if same is not None:
            raise EvidenceError(
                f"the oracle {oracle.name} is the {same} model, bit for bit: measured against itself, every model "
                "looks erased. Give a model that was trained without the forgotten classes"
            )


def parts_of(compared: ModelComparison[M]) -> Parts:
    """The named classes as rows of the head.

    Raises:
        RequestError: They cannot be what they are said to be.
    """
    classes = compared.original.classes
    index = {name: label for label, name in enumerate(classes)}
    forget = _labels(compared.forgotten, index, "forgotten")
    earlier = _labels(compared.earlier, index, "earlier")
    both = [name for name in compared.earlier if name in compared.forgotten]
    if both:
        raise AlreadyForgottenError(f"{both[0]!r} is both forgotten now and earlier; name it once")
    missing = _labels(compared.missing, index, "missing")
    gone = {*forget, *earlier}
    if gone & set(missing):
        raise RequestError(f"{classes[min(gone & set(missing))]!r} is both forgotten and missing; name it once")
    retain = tuple(label for label in index.values() if label not in gone)
    if not forget:
        raise RequestError("expected at least one forgotten class")
    if not retain:
        raise NothingRetainedError(f"all {len(index)} classes are forgotten; at least one must stay to be measured")
    return Parts(forget, earlier, missing, retain)


def _labels(names: Sequence[str], index: dict[str, int], what: str) -> tuple[int, ...]:
    for position, name in enumerate(names):
        if name not in index:
            there = ", ".join(list(index)[:8]) + (", …" if len(index) > 8 else "")
            raise UnknownClassError(f"{name!r}, named as {what}, is no class of the models; they have {there}")
        if name in names[:position]:
            raise DuplicateClassError(f"{name!r} is named as {what} twice")
    return tuple(index[name] for name in names)
