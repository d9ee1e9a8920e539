"""From the names a person gives to class indices, with everything refused that cannot work."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from expunge.data import Examples
from expunge.errors import (
    AlreadyForgottenError,
    DuplicateClassError,
    EmptyClassError,
    NothingRetainedError,
    RequestError,
    UnknownClassError,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests in order, as indices into the model's classes.

    Attributes:
        requests: Classes of each request.
        missing: Retained classes whose training images must not be used.
    """

    requests: tuple[tuple[int, ...], ...]
    missing: tuple[int, ...] = ()

    def before(self, number: int) -> tuple[int, ...]:
        """Classes that the requests before number `number` (from 0) have taken, sorted."""
        return tuple(sorted(c for request in self.requests[:number] for c in request))

    def retained(self, number: int, classes: int) -> tuple[int, ...]:
        """Of `classes` classes, those that stay after request number `number`."""
        gone = {*self.before(number), *self.requests[number]}
        return tuple(c for c in range(classes) if c not in gone)


def make_plan(classes: Sequence[str], requests: Sequence[Sequence[str]], missing: Sequence[str] = ()) -> Plan:
    """Checks names and their order.

    Raises:
        RequestError: No request, or an empty one.
        UnknownClassError: A name that is not a class of the model.
        DuplicateClassError: A name twice in one request.
        AlreadyForgottenError: A name that an earlier request takes.
        NothingRetainedError: Nothing would stay.
    """
    if not requests or not all(requests):
        raise RequestError("expected at least one class in every request, e.g. --request A,B --request C")
    index = {name: i for i, name in enumerate(classes)}
    gone: dict[str, int] = {}
    for number, request in enumerate(requests, start=1):
        _check_names(request, index, f"request {number}")
        for name in request:
            if name in gone:
                raise AlreadyForgottenError(
                    f"request {number} names {name!r}, which request {gone[name]} already forgets; leave it out"
                )
        gone |= dict.fromkeys(request, number)
    if len(gone) == len(classes):
        raise NothingRetainedError(
            f"the requests name all {len(classes)} classes; at least one must stay for a model to be left"
        )
    _check_names(missing, index, "--missing")
    for name in missing:
        if name in gone:
            raise RequestError(
                f"{name!r} is both missing and to be forgotten by request {gone[name]}; "
                "a class without images cannot be forgotten by this command"
            )
    if len(gone) + len(missing) == len(classes):
        raise NothingRetainedError("every class that stays is missing; at least one must have images")
    return Plan(
        tuple(tuple(index[name] for name in request) for request in requests),
        tuple(sorted(index[name] for name in missing)),
    )


def check_examples(
    plan: Plan, learned: Examples, tested: Examples, thing: str = "image", remembered: Collection[int] = ()
) -> None:
    """Refuses a plan whose requests have nothing to learn or to measure from.

    Args:
        plan: The requests.
        learned: What methods may learn from.
        tested: What rates are counted on.
        thing: What is counted: "image" or "object".
        remembered: Classes whose statistics the method can take in place of training examples.

    Raises:
        EmptyClassError: A class to forget has nothing to learn from or to be tested with; or nothing that stays, or of
            the missing classes, can be tested.
    """
    named = [label for request in plan.requests for label in request]
    for counts, part, spared in ((learned.counts(), "training", remembered), (tested.counts(), "test", ())):
        lacking = next((label for label in named if not counts[label] and label not in spared), None)
        if lacking is not None:
            without = " beside those of missing classes" if plan.missing and part == "training" else ""
            raise EmptyClassError(
                f"class {tested.classes[lacking]!r} is to be forgotten but has no {part} {thing}{without}; "
                "add some, or leave it out"
            )
    counts = tested.counts()
    if not any(n for label, n in enumerate(counts) if label not in named):
        raise EmptyClassError(f"no class that stays has a test {thing}; add some of what shall stay")
    if plan.missing and not any(counts[label] for label in plan.missing):
        raise EmptyClassError(f"no missing class has a test {thing}; add some of one, or name none")


def _check_names(names: Sequence[str], index: dict[str, int], where: str) -> None:
    for position, name in enumerate(names):
        if name not in index:
            there = ", ".join(list(index)[:8]) + (", …" if len(index) > 8 else "")
            raise UnknownClassError(f"{where} names {name!r}, which is no class of the model; it has {there}")
        if name in names[:position]:
            raise DuplicateClassError(f"{where} names {name!r} twice")
