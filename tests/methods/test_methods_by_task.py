"""Which method is for which task, and what a task changes of its settings; also of other packages."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import pytest

from expunge.errors import MethodError, TaskError
from expunge.methods import EVERY_TASK, make_method, method_class, method_names, method_presets, method_tasks
from expunge.methods.detection.closed_form import ClosedForm as SceneClosedForm
from expunge.methods.detection.closed_form_pp import ClosedFormPlusPlus as SceneClosedFormPlusPlus
from expunge.methods.gs_lora import GSLoRA
from expunge.tasks import find_task

BOTH = {"ewc", "gs-lora", "gs-lora++", "head-mask", "l2", "mas", "neg-grad+", "retrain"}
TWICE = {"closed-form", "closed-form++", "der", "der++", "lwf"}
"""Methods that are one formula for all, and those with a class for each of the two tasks."""

STRANGER = """
from dataclasses import dataclass
from typing import ClassVar
from expunge.methods import GSLoRA, HeadMask

@dataclass(frozen=True)
class Silent(HeadMask):
    name: ClassVar[str] = "quiet"

@dataclass(frozen=True)
class Softer(GSLoRA):
    alpha: float = 0.125

class Bare:
    "One of a package that was written before methods said for which tasks they are."
    name, summary, source, presets, needs_prototypes = "bare", "nothing", "nowhere", {}, False

    def first_block(self, model): return 0
    def forget(self, context, task): raise NotImplementedError
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a package with the given entry points beside ours."""

    def install(points: str) -> None:
        facts = tmp_path / "stranger-1.0.dist-info"
        facts.mkdir()
        (tmp_path / "stranger_methods.py").write_text(STRANGER)
        (facts / "METADATA").write_text("Name: stranger\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(points)
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def settings(name: str, **asked: Any) -> Mapping[str, object]:
    return asdict(cast(Any, make_method(name, **asked)))


def test_every_method_of_ours_says_for_which_tasks_it_is() -> None:
    classes = {(name, task): method_class(name, task=task) for name in method_names() for task in method_tasks(name)}
    assert all("tasks" in dir(found) for found in classes.values())
    assert {name for (name, _), found in classes.items() if found.tasks == EVERY_TASK} == BOTH
    for (name, task), found in classes.items():
        assert found.tasks in (EVERY_TASK, (task,), find_task(task).like), name


def test_names_are_those_of_a_task() -> None:
    assert set(method_names("detection")) == BOTH | TWICE
    assert BOTH | TWICE | {"scrub", "ssd", "fg-oriu"} < set(method_names("classification"))
    assert set(method_names()) == set(method_names("classification")) | set(method_names("detection"))
    assert set(method_names("embedding")) == set(method_names("classification")) - {"retrain"}
    assert method_tasks("scrub") == ("classification", "embedding")
    assert method_tasks("gs-lora") == ("classification", "detection", "embedding")
    assert method_tasks("scrubb") == ()


def test_a_class_for_one_task_is_found_there_alone() -> None:
    assert method_class("closed-form", task="detection") is SceneClosedForm
    assert method_class("closed-form") is not SceneClosedForm
    assert method_class("gs-lora", task="detection") is method_class("gs-lora") is GSLoRA
    assert make_method("auto", task="detection") == SceneClosedFormPlusPlus()


def test_a_task_differs_in_defaults_and_a_preset_and_settings_win_over_them() -> None:
    """The defaults on scenes are 40 steps of 8, a forget weight of 0.5, and for GS-LoRA the learning rate of images."""
    ours, scenes = settings("gs-lora"), settings("gs-lora", task="detection")
    assert list(ours) == list(scenes), "what is recorded keeps its order"
    changed = {name: value for name, value in scenes.items() if value != ours[name]}
    assert changed == {"max_steps": 40, "batch_size": 8, "beta": 0.5}
    assert settings("mas", task="detection")["samples"] == 64
    published = settings("retrain", task="detection", preset="published", settings={"epochs": "7"})
    assert [published[name] for name in ("lr", "max_steps", "batch_size", "epochs")] == [3e-4, 0, 8, 7]
    assert settings("gs-lora", preset="published")["bound"] == 105.0
    assert settings("gs-lora", task="detection", preset="published")["bound"] == 15.0
    assert method_presets("gs-lora", task="detection").keys() == method_presets("gs-lora").keys() == {"published"}


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        (
            "scrub",
            "detection",
            "^method 'scrub' is for image classifiers and embedders; for object detectors there are: closed-f",
        ),
        ("scrubb", "detection", r"^unknown method 'scrubb'; installed: closed-form, .*retrain$"),
        ("detection.der", "classification", r"^unknown method 'detection\.der'; installed: closed-form,"),
    ],
)
def test_a_method_that_is_not_for_the_task_is_refused_in_words(name, task, message) -> None:
    with pytest.raises(MethodError, match=message) as refused:
        make_method(name, task=task)
    assert "scrub-s" not in str(refused.value) or task == "classification"


def test_an_unknown_task_is_refused() -> None:
    for ask in (lambda: make_method("gs-lora", task="singing"), lambda: method_class("gs-lora", task="singing")):
        with pytest.raises(TaskError, match="unknown task 'singing'; installed: classification, detection"):
            ask()


def test_a_stranger_takes_part_by_what_its_class_says(installed) -> None:
    """One that says nothing is for image classifiers; one that derives from ours says what ours says."""
    installed(
        "[expunge.methods]\n"
        "bare = stranger_methods:Bare\nquiet = stranger_methods:Silent\ndetection.scrub = stranger_methods:Softer\n"
    )
    every = ("classification", "detection", "embedding")
    assert [method_tasks(name) for name in ("bare", "quiet", "scrub")] == [every[::2], every, every]
    assert vars(make_method("scrub", task="detection"))["alpha"] == 0.125
    assert "bare" in method_names("classification")
    assert "bare" not in method_names("detection")


def test_the_old_group_is_read_with_a_word_on_the_new_name(installed) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "hushed" not in method_names()
    installed("[expunge.detection_methods]\nhushed = stranger_methods:Silent\n")
    with pytest.warns(DeprecationWarning, match=r"name it 'detection\.hushed' under 'expunge\.methods'"):
        assert make_method("hushed", task="detection").forget is not None
    with pytest.warns(DeprecationWarning, match="'hushed'"):
        assert "hushed" in method_names("detection")
    with (
        pytest.warns(DeprecationWarning, match="'hushed'"),
        pytest.raises(MethodError, match="method 'hushed' is for object detectors; for image classifiers there are:"),
    ):
        make_method("hushed")


def test_a_broken_package_is_named(installed) -> None:
    installed("[expunge.methods]\nbroken = stranger_methods:Nobody\n")
    with pytest.raises(MethodError, match=r"'broken' \(stranger_methods:Nobody\) cannot be loaded: .*uninstall"):
        make_method("broken")
