"""A command loads and hashes the original model once, however many models it makes of it."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from expunge.cli.app import run
from expunge.lifecycle import release, rollback, run_waiting
from expunge.lifecycle._session import Session
from expunge.lifecycle.applied import pristine
from expunge.runs import measure
from expunge.tasks.classification import Classification
from expunge.vision import wrapped
from tests.lifecycle.conftest import JANE


@dataclass
class Spent:
    """What was read and hashed: source -> loads, digest -> how often it was taken."""

    loads: Counter[str] = field(default_factory=Counter)
    digests: Counter[str] = field(default_factory=Counter)

    def of(self, folder: Path, sha256: str | None) -> tuple[int, int]:
        """Loads and digests of one model since the last call."""
        found = self.loads[str(folder)], self.digests[sha256 or ""]
        self.loads.clear()
        self.digests.clear()
        return found


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> Spent:
    found, load, digest = Spent(), Classification.load, wrapped.digest

    def counted_load(task: Classification, source: Any) -> Any:
        found.loads[str(source)] += 1
        return load(task, source)

    def counted_digest(module: torch.nn.Module) -> str:
        sha256 = digest(module)
        found.digests[sha256] += 1
        return sha256

    monkeypatch.setattr(Classification, "load", counted_load)
    monkeypatch.setattr(wrapped, "digest", counted_digest)
    return found


def test_a_run_a_release_and_a_rollback(place, accepted, asked, toy_model_folder: Path, spent: Spent) -> None:
    original = toy_model_folder, place.settings.model.sha256
    requests = [accepted(place, name) for name in ("amber", "blue")]
    spent.of(*original)
    assert len(run_waiting(place, asked)) == 2
    assert spent.of(*original) == (1, 1)
    for request in requests:
        release(place, request, JANE)
        # what was published first is the original, too: it is read back from its release when it is written
        written, loads = spent.digests[original[1]] - 1, spent.loads[str(original[0])]
        assert (loads, written) == (1, 1 if request == requests[0] else 0)
        spent.of(*original)
    rollback(place, requests[0], JANE, "withdrawn")
    assert spent.of(*original) == (1, 1)


def test_nothing_is_loaded_where_nothing_waits(place, asked, toy_model_folder: Path, spent: Spent) -> None:
    assert run_waiting(place, asked) == []
    assert spent.of(toy_model_folder, place.settings.model.sha256) == (0, 0)


def test_forget_with_a_memory(toy_model_folder: Path, toy_data_folder: Path, tmp_path: Path, spent: Spent) -> None:
    memory, out = str(tmp_path / "memory"), str(tmp_path / "out")
    named = [str(toy_model_folder), "--data", str(toy_data_folder)]
    assert run(["calibrate", *named, "--depth", "fast", "--out", memory]) == 0
    (sha256,) = spent.digests
    assert spent.of(toy_model_folder, sha256) == (1, 1)
    assert run(["forget", *named, "--request", "amber", "--depth", "fast", "--memory", memory, "--out", out]) == 0
    assert spent.of(toy_model_folder, sha256) == (1, 1)


def test_measuring_hashes_each_model_once(toy_model_folder: Path, toy_data_folder: Path, spent: Spent) -> None:
    measure(toy_model_folder, toy_model_folder, toy_data_folder, forgotten=["amber"], measures=["forgetting"])
    assert (spent.loads[str(toy_model_folder)], sum(spent.digests.values())) == (2, 2)


def test_models_made_of_the_original_leave_it_as_it_is(place) -> None:
    session = Session(place)
    edited = session.copy()
    with torch.no_grad():
        next(edited.module.parameters()).add_(1.0)
    assert session.original.digest() == session.sha256 == pristine(place).digest() != edited.digest()
    assert session.original is session.original_on("cpu") is not edited
