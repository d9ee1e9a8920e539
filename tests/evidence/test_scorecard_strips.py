"""Where marks of the strips stand: placements worked out by hand."""

import pytest

from expunge.evidence._scorecard_strips import span, strips, valued
from tests.evidence.beside import beside, strangers_row


def test_marks_stand_between_the_least_and_the_greatest_value() -> None:
    (strip,) = strips(beside())
    # From 20 to 120: 40 lies at a fifth, 60 at two fifths.
    assert [(dot.name, dot.value, dot.x) for dot in strip.dots] == [("amber", "60", 40.0)]
    assert [(tick.count, tick.value, tick.x) for tick in strip.ticks] == [(1, "20", 0), (2, "40", 20), (1, "120", 100)]
    assert strip.ends == ("20", "120")


def test_a_tick_is_longer_where_strangers_share_a_value() -> None:
    (strip,) = strips(beside())
    # The greatest count, 2, is 13 long; half of it 4 + 9 / 2.
    assert [tick.length for tick in strip.ticks] == [8.5, 13.0, 8.5]
    assert strip.height == strip.line + 15


def test_known_is_to_the_right_where_low_values_are_known() -> None:
    (strip,) = strips(beside("innocent", strangers_row(known_side="below")))
    assert [dot.x for dot in strip.dots] == [60.0]
    assert [tick.x for tick in strip.ticks] == [100, 80, 0]
    assert strip.ends == ("120", "20")


def test_dots_in_one_place_are_stacked_upwards() -> None:
    row = strangers_row(forgotten={"amber": 60.0, "blue": 60.0, "coral": 61.0, "dune": 120.0})
    (strip,) = strips(beside("innocent", row))
    # Places 40, 40, 41 and 100: the first three fall into one bin of 1.5, at 27; the line makes room for two above one.
    assert strip.line == 9 + 2 * 7
    assert [(dot.x, dot.y) for dot in strip.dots] == [(40.0, 18.0), (40.0, 11.0), (41.0, 4.0), (100.0, 18.0)]


def test_a_high_stack_moves_closer_and_stays_in_the_strip() -> None:
    (strip,) = strips(beside("innocent", strangers_row(forgotten={f"c{n}": 60.0 for n in range(30)})))
    assert strip.line == 9 + 28
    assert min(dot.y for dot in strip.dots) == pytest.approx(4.0, abs=0.1)


def test_equal_values_stand_in_the_middle() -> None:
    (strip,) = strips(beside("innocent", strangers_row(forgotten={"amber": 1.0}, strangers=(1.0, 1.0))))
    assert [strip.dots[0].x, strip.ticks[0].x] == [50.0, 50.0]


@pytest.mark.parametrize(
    ("known_p", "hole_p", "told"),
    [
        (0.049, 0.9, (True, False)),
        (0.05, 0.05, (False, False)),
        (1.0, 0.01, (False, True)),
        (None, None, (False, False)),
    ],
)
def test_a_row_is_told_below_the_level(known_p: float | None, hole_p: float | None, told: tuple[bool, bool]) -> None:
    (strip,) = strips(beside("known", strangers_row(known_p=known_p, hole_p=hole_p)))
    assert (strip.known, strip.hole) == told


def test_values_of_any_unit() -> None:
    assert [valued(v) for v in (97.53, -0.01234, 0.0, 1024.0)] == ["97.5", "−0.0123", "0", "1.02e+03"]
    assert span((3.0, 1.0, 2.0)) == "1 to 3"
    assert span((3.0, 3.0)) == "3"
