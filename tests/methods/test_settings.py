"""Settings: what their types do not allow is refused in words, from Python as from text."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Literal

import pytest
from pydantic import NonNegativeInt, PositiveFloat

from expunge.errors import MethodError
from expunge.methods import make_method
from expunge.methods._settings import Fraction, PositiveFraction, Settings
from expunge.methods.closed_form import ClosedForm


@dataclass(frozen=True)
class Some(Settings):
    depth: Literal["low", "high"] = "low"
    weight: PositiveFloat = 1.0
    rounds: NonNegativeInt = 0
    share: Fraction = 0.5
    energy: PositiveFraction = 1.0
    free: float = 0.0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"weight": 0.0}, "weight must be greater than 0, got 0.0"),
        ({"weight": math.nan}, "weight must be a finite number, got nan"),
        ({"free": -math.inf}, "free must be a finite number, got -inf"),
        ({"rounds": -1}, "rounds must be 0 or more, got -1"),
        ({"share": -0.1}, "share must be 0 or more, got -0.1"),
        ({"share": 1.5}, "share must be 1 or less, got 1.5"),
        ({"energy": 0}, "energy must be greater than 0, got 0"),
        ({"depth": "abyss"}, "setting 'depth': Input should be 'low' or 'high', got 'abyss'"),
        ({"rounds": "3"}, "setting 'rounds': Input should be a valid integer, got '3'"),
    ],
)
def test_what_cannot_work_is_refused(settings, words) -> None:
    with pytest.raises(MethodError) as caught:
        Some(**settings)
    assert str(caught.value) == words


@dataclass(frozen=True)
class Other(Some):
    weight: float = 2.0


def test_another_default_leaves_the_bounds_as_they_are() -> None:
    assert Other().weight == 2.0
    with pytest.raises(MethodError, match="weight must be greater than 0, got -1"):
        Other(weight=-1.0)


def test_bounds_themselves_and_whole_numbers_are_fine() -> None:
    assert asdict(Some(weight=2, share=0, energy=1)) == {
        "depth": "low",
        "weight": 2,
        "rounds": 0,
        "share": 0,
        "energy": 1,
        "free": 0.0,
    }


def test_an_installed_method_refuses_text_and_numbers_alike() -> None:
    with pytest.raises(MethodError, match=r"^method 'closed-form': passes must be greater than 0, got 0$"):
        make_method("closed-form", settings={"passes": "0"})
    with pytest.raises(MethodError, match=r"^passes must be greater than 0, got 0$"):
        ClosedForm(passes=0)


def test_settings_are_written_as_before() -> None:
    assert json.dumps(asdict(ClosedForm())) == (
        '{"depth": "default", "weight": 3.0, "ridge": 0.1, "passes": 2, "states": 1000, "rows": 16, '
        '"energy": 0.999, "directions": 0, "half": false}'
    )
