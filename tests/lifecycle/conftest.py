"""A toy model, toy images, and workspaces on them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from expunge.lifecycle import RunOptions, run_waiting
from expunge.runs import load
from expunge.workspace import Actor, Original, State, Workspace

JANE, PAUL = Actor("jane"), Actor("paul")
LENIENT = """
schema = "expunge/policy/v1"
name = "answers"
[[rule]]
key = "acc_f"
kind = "erasure"
max = 20.0
[[rule]]
key = "acc_o"
kind = "erasure"
max = 20.0
required = false
[[rule]]
key = "acc_r"
kind = "harm"
max_loss_from_original = 20.0
"""
STRICT = LENIENT + '[[rule]]\nkey = "linear_probe"\nkind = "erasure"\nmax = 0.0\n'
FOUR_EYES = LENIENT.replace('name = "answers"', 'name = "answers"\nfour_eyes = true')


@pytest.fixture
def asked(toy_data_folder: Path) -> RunOptions:
    """A quick method that keeps the lenient policy."""
    return RunOptions(data=str(toy_data_folder), method="head-mask")


@pytest.fixture
def photos(toy_data_folder: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies of a class's training images under telling names, as a person would hand them in."""

    def export(name: str) -> Path:
        folder = tmp_path / f"photos-of-{name}"
        folder.mkdir()
        for path in sorted((toy_data_folder / "train" / name).iterdir()):
            shutil.copy(path, folder / f"juergen-at-home-{path.name}")
        return folder

    return export


@pytest.fixture
def original(toy_model_folder: Path) -> Original:
    """The model that workspaces are made for."""
    model = load(toy_model_folder, device="cpu")
    return Original(source=str(toy_model_folder), sha256=model.digest(), classes=model.classes)


@pytest.fixture
def make_place(original: Original, tmp_path: Path) -> Iterator[Callable[[str], Workspace]]:
    """Workspaces under a policy."""
    made = []

    def make(policy: str) -> Workspace:
        file = tmp_path / "policy.toml"
        file.write_text(policy)
        made.append(Workspace.create(tmp_path / "workspace", original, policy=file, actor=JANE))
        return made[-1]

    yield make
    for place in made:
        place.close()


@pytest.fixture
def place(make_place: Callable[[str], Workspace]) -> Workspace:
    return make_place(LENIENT)


@pytest.fixture
def accepted(photos: Callable[[str], Path]) -> Callable[[Workspace, str], str]:
    """Submits a request for one class and accepts it."""

    def submit(place: Workspace, name: str) -> str:
        request = place.submit([name], photos(name), JANE, subject="Jürgen Müller K-4711").id
        place.move(request, State.ACCEPTED, JANE)
        return request

    return submit


@pytest.fixture
def approved(accepted, asked) -> Callable[[Workspace, str], str]:
    """A request whose edit is offered for release."""

    def bring(place: Workspace, name: str) -> str:
        request = accepted(place, name)
        run_waiting(place, asked)
        assert place.request(request).state == State.APPROVED
        return request

    return bring
