"""A Ctrl-C that falls where compiled code reports it as something else."""

import signal

import pytest

from expunge.cli._interrupt import heed_ctrl_c


@pytest.fixture(autouse=True)
def _listening():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "the handler was not put back"
    signal.signal(signal.SIGINT, before)


def swallow() -> None:
    """Does what compiled code does that finds an error set after a call, and sets its own."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ValueError("could not determine the shape of object type") from None


def test_an_interrupt_that_was_swallowed_comes_out_as_one() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, heed_ctrl_c(), heed_ctrl_c():
        swallow()
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_interrupt_passes_as_it_is() -> None:
    with pytest.raises(KeyboardInterrupt), heed_ctrl_c():
        signal.raise_signal(signal.SIGINT)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="its own"), heed_ctrl_c():
        raise ValueError("its own")


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with heed_ctrl_c():
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
