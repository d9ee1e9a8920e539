"""The search that every rival is given, and the files that keep what it found."""

import json
from pathlib import Path

import pytest

from expunge.bench._tuning import TuningResult, chosen, keep, rounded, search, star
from expunge.bench.tuned import DETECTORS, FACES, SMALL, tuned_settings
from expunge.errors import BenchError
from expunge.methods import make_method

GRID = {"lr": (1, 2, 3), "beta": (0.1, 0.2, 0.3)}


def test_a_star_starts_in_the_middle_and_goes_along_each_setting() -> None:
    middle, *arms = star(GRID)
    assert middle == {"lr": 2, "beta": 0.2}
    assert arms == [
        {"lr": 1, "beta": 0.2},
        {"lr": 3, "beta": 0.2},
        {"lr": 2, "beta": 0.1},
        {"lr": 2, "beta": 0.3},
    ]
    assert [one["lr"] for one in star({"lr": (1, 2, 3, 4, 5)})] == [3, 1, 2, 4, 5]


def test_the_best_trial_wins_and_of_equals_the_first() -> None:
    scores = iter((5.0, 0.0, 7.0, 0.0, 7.0))
    found = search(GRID, lambda settings: {"h": next(scores), "seconds": 1})
    assert found.settings == {"lr": 3, "beta": 0.2}
    assert found.trials[0] == {"settings": {"lr": 2, "beta": 0.2}, "h": 5.0, "seconds": 1}
    assert len(found.trials) == 5


def test_what_was_found_is_added_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tuned.json"
    file.write_text('{"settings": {}, "trials": {}}')
    for method, lr in (("b", 1), ("a", 2), ("b", 3)):
        keep(file, method, TuningResult({"lr": lr}, [{"h": lr}]))
    assert json.loads(file.read_text()) == {
        "settings": {"a": {"lr": 2}, "b": {"lr": 3}},
        "trials": {"a": [{"h": 2}], "b": [{"h": 3}]},
    }
    assert list(json.loads(file.read_text())["settings"]) == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["tuned.json"], "neither a lock nor a part is left"
    assert tuned_settings("b", file) == {"lr": 3}
    assert tuned_settings("nobody", file) == {}


def test_all_methods_or_those_that_were_asked_for() -> None:
    grids = {"a": GRID, "b": GRID}
    assert chosen([], grids) == grids
    assert chosen(["b"], grids) == {"b": GRID}
    with pytest.raises(BenchError, match="no settings of 'c' to try; there are some of: a, b"):
        chosen(["b", "c"], grids)
    assert rounded({"h": 1.23456}) == {"h": 1.23}


@pytest.mark.parametrize(
    ("file", "task"), [(SMALL, "classification"), (FACES, "classification"), (DETECTORS, "detection")]
)
def test_the_shipped_files_hold_five_trials_a_method_and_settings_it_has(file, task) -> None:
    kept = json.loads(file.read_text())
    assert kept["settings"].keys() == kept["trials"].keys()
    for method, settings in kept["settings"].items():
        make_method(method, task=task, settings=settings)
        trials = kept["trials"][method]
        assert len(trials) == 5
        assert max(trials, key=lambda one: one["h"])["settings"] == settings
