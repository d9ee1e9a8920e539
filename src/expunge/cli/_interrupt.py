"""Ctrl-C that stays a Ctrl-C wherever it falls."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heed_ctrl_c() -> Iterator[None]:
    """Turns whatever a Ctrl-C ends as into the `KeyboardInterrupt` that it was.

    Compiled code that calls back into Python may swallow the interrupt and report another error instead, as a reader of
    weights does that was asking for the size of a tensor. Signals are left alone outside the main thread, and where
    nobody listens to SIGINT, as in a job in the background of a script.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed and any error came out.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    pressed = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        pressed.set()
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception as error:
        if pressed.is_set():
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
