import pytest

from expunge.errors import (
    AlreadyForgottenError,
    DuplicateClassError,
    NothingRetainedError,
    RequestError,
    UnknownClassError,
)
from expunge.tasks import make_plan

CLASSES = ("a", "b", "c", "d", "e")


def test_names_become_indices_in_order() -> None:
    plan = make_plan(CLASSES, [["d", "a"], ["c"]], ["e"])
    assert plan.requests == ((3, 0), (2,))
    assert plan.missing == (4,)
    assert [plan.before(number) for number in (0, 1)] == [(), (0, 3)]
    assert [plan.retained(number, 5) for number in (0, 1)] == [(1, 2, 4), (1, 4)]


@pytest.mark.parametrize(
    ("requests", "missing", "error", "message"),
    [
        ([], [], RequestError, "at least one class in every request"),
        ([["a"], []], [], RequestError, "at least one class in every request"),
        ([["a", "z"]], [], UnknownClassError, "request 1 names 'z', which is no class of the model; it has a, b"),
        ([["a"]], ["z"], UnknownClassError, "--missing names 'z'"),
        ([["a", "b", "a"]], [], DuplicateClassError, "request 1 names 'a' twice"),
        ([["a"]], ["b", "b"], DuplicateClassError, "--missing names 'b' twice"),
        ([["a"], ["b"], ["a"]], [], AlreadyForgottenError, "request 3 names 'a', which request 1 already forgets"),
        ([["a", "b", "c"], ["d", "e"]], [], NothingRetainedError, "all 5 classes"),
        ([["a", "b", "c"]], ["d", "e"], NothingRetainedError, "every class that stays is missing"),
        ([["a"]], ["a"], RequestError, "both missing and to be forgotten by request 1"),
    ],
)
def test_what_cannot_work_is_refused(requests, missing, error, message) -> None:
    with pytest.raises(error, match=message):
        make_plan(CLASSES, requests, missing)


def test_errors_are_the_built_in_ones_too() -> None:
    with pytest.raises(KeyError):
        make_plan(CLASSES, [["z"]])
    with pytest.raises(ValueError, match="twice"):
        make_plan(CLASSES, [["a", "a"]])
