"""Locks between processes: whoever waits gets the file, and no lock is left."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from expunge.bench._locks import alone, in_turn
from expunge.bench._models import ModelStore
from expunge.bench._tuning import TuningResult, keep
from expunge.bench.suite import Suite, find_suite


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cell.json"


def waits(work: Callable[[], None]) -> threading.Thread:
    """Begins some work in a thread and gives it time to come to its lock."""
    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    return thread


def test_one_has_it_and_the_other_is_told_so(file) -> None:
    with alone(file) as first:
        with alone(file) as second:
            assert (first, second) == (True, False)
        with alone(file.with_name("other.json")) as other:
            assert other
        assert file.with_suffix(".lock").exists(), "who did not get the lock leaves it alone"
    assert not list(file.parent.iterdir())


def test_who_waited_holds_the_lock_that_others_find(file) -> None:
    """The lock it waited for is deleted by the time it gets it: it must take the one that is there now."""
    seen: list[bool] = []

    def work() -> None:
        with in_turn(file), alone(file) as another:
            seen.append(another)

    with in_turn(file):
        thread = waits(work)
        assert not seen
    thread.join(timeout=10)
    assert seen == [False]
    assert not list(file.parent.iterdir())


def test_many_take_turns(file) -> None:
    file.write_text("0")

    def add(_: int) -> None:
        with in_turn(file):
            before = int(file.read_text())
            time.sleep(0.001)
            file.write_text(str(before + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(100)))
    assert file.read_text() == "100"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_lock_is_given_back_when_the_work_fails(file) -> None:
    with pytest.raises(KeyboardInterrupt), in_turn(file):
        raise KeyboardInterrupt
    with alone(file) as free:
        assert free


WITHOUT = """
import sys
sys.modules["fcntl"] = None
from pathlib import Path
from expunge.bench._locks import alone, in_turn
with in_turn(Path(sys.argv[1])), alone(Path(sys.argv[1])) as free:
    print(free)
"""


def test_a_system_without_such_locks_leaves_taking_turns_to_the_caller(file) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT, file], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert not list(file.parent.iterdir())


def test_a_model_that_two_want_at_once_is_trained_once(tmp_path) -> None:
    trainings: list[int] = []
    suite = find_suite("fashion", quick=True)
    assert isinstance(suite, Suite)

    def train(images, seed, start):
        trainings.append(seed)
        time.sleep(0.2)
        return suite.base()

    store = ModelStore(tmp_path, replace(suite, train=train), suite.load().train)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: store.oracle("oracle-scratch", [8], 0), range(2))
    assert trainings == [0]
    assert first.seconds == second.seconds
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}


def test_settings_of_methods_that_are_found_at_once_are_all_kept(tmp_path) -> None:
    file = tmp_path / "tuned.json"
    file.write_text("{}")
    methods = [f"method-{number:02}" for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda method: keep(file, method, TuningResult({}, [])), methods))
    assert [line.split('"')[1] for line in file.read_text().splitlines() if "method-" in line][:20] == methods
