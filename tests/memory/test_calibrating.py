"""Statistics of the toy model's classes, in memory and on the disk."""

import json
import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.data import Images, align, load_folder
from expunge.errors import (
    DamagedMemoryError,
    MemoryMismatchError,
    MemoryNotFoundError,
    NoBlocksError,
    OutputError,
    UnknownClassError,
)
from expunge.locks import in_turn
from expunge.memory import ClassStatistics, Index, Memory, calibrate, forget_classes, load_memory, save_memory
from expunge.vision import VisionModel, load_model
from tests.workspace.dying import fresh_copy, survives

ENTRY = 1


@pytest.fixture(scope="module")
def model(toy_model_folder) -> VisionModel:
    return load_model(toy_model_folder)


@pytest.fixture(scope="module")
def train(model, toy_data_folder) -> Images:
    return align(load_folder(toy_data_folder), model.classes).train


@pytest.fixture(scope="module")
def memory(model, train) -> Memory:
    return calibrate(model, train, ENTRY, 7)


@pytest.fixture(scope="module")
def stored(memory, tmp_path_factory) -> Path:
    """Do not write to it."""
    folder = tmp_path_factory.mktemp("memory") / "memory"
    save_memory(memory, folder)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestCalibrate:
    def test_statistics_are_those_of_the_images(self, model, train, memory) -> None:
        blue = train.only([1])  # eight images
        with torch.no_grad():
            hidden = model.enter(model.prepare(blue.load()), ENTRY)
            embedding = model(model.prepare(blue.load())).embedding
        found = memory.statistics[1]
        assert (found.count, found.factors.shape) == (8, (7, *hidden.shape[1:]))
        torch.testing.assert_close(found.mean, hidden.mean(0), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.prototype, embedding.mean(0), rtol=1e-4, atol=1e-5)
        rows = found.factors.flatten(1).double()
        torch.testing.assert_close(rows.T @ rows, hidden.flatten(1).double().T.cov(), rtol=1e-4, atol=1e-5)

    def test_the_model_takes_drawn_states_for_the_class(self, model, memory) -> None:
        hidden, labels = memory.sample(memory.known, 20, seed=0)
        with torch.no_grad():
            right = model.resume(hidden, ENTRY).logits.argmax(1) == labels
        assert right.float().mean() > 0.9

    def test_an_unseen_class_is_not_remembered(self, model, train, memory) -> None:
        some = calibrate(model, train.without([0, 3]), ENTRY, 7)
        assert some.known == (1, 2, 4, 5)
        assert some.classes == model.classes
        for label in some.known:
            assert torch.equal(some.statistics[label].factors, memory.statistics[label].factors)

    def test_progress_counts_images(self, model, train) -> None:
        told: list[int] = []
        calibrate(model, train, 2, 1, told.append)
        assert sum(told) == len(train)

    def test_a_block_that_is_not_there(self, model, train) -> None:
        with pytest.raises(NoBlocksError):
            calibrate(model, train, 3)


class TestStore:
    def test_round_trip_rounds_to_half_precision(self, memory, stored, model) -> None:
        found = load_memory(stored, model)
        assert (found.entry, found.model, found.classes) == (memory.entry, memory.model, memory.classes)
        assert found.known == memory.known
        for label, known in memory.statistics.items():
            back = found.statistics[label]
            assert back.count == known.count
            assert torch.equal(back.prototype, known.prototype)
            for ours, theirs in ((known.mean, back.mean), (known.factors, back.factors)):
                assert ((theirs.float() - ours).abs() <= ours.abs() * 2**-11 + 2**-25).all()
        again = found.sample([0], 2, seed=0)[0]
        torch.testing.assert_close(again, memory.sample([0], 2, seed=0)[0], rtol=1e-2, atol=1e-2)

    def test_the_index_says_what_there_is(self, memory, stored) -> None:
        index = json.loads((stored / "memory.json").read_text())
        assert list(index) == ["schema", "entry", "model", "classes", "rank", "bytes", "statistics"]
        assert index["schema"] == "expunge/memory/v1"
        assert [index["entry"], index["rank"]] == [ENTRY, 7]
        files = [path for path in stored.iterdir() if path.suffix == ".safetensors"]
        assert index["bytes"] == sum(path.stat().st_size for path in files)
        assert 0 < index["bytes"] - memory.bytes < 500 * len(files)  # headers

    def test_values_past_half_precision_are_scaled(self, tmp_path) -> None:
        mean = torch.tensor([[70_000.0, -3.1e6], [1.0, 0.0]])
        factors = torch.tensor([[[65_504.0, 1.0], [2.0, 3.0]]])
        big = Memory(0, "0" * 64, ("a",), {0: ClassStatistics(2, mean, factors, torch.zeros(3))})
        save_memory(big, tmp_path / "m")
        found = load_memory(tmp_path / "m").statistics[0]
        assert ((found.mean - mean).abs() <= mean.abs() * 2**-11 + 2**-25 * 2**7).all()
        assert torch.equal(found.factors.float(), factors)  # these fit as they are
        assert found.factors.dtype == torch.float16

    def test_storing_again_gives_equal_bytes(self, stored, tmp_path) -> None:
        save_memory(load_memory(stored), tmp_path / "again")
        assert content(tmp_path / "again") == content(stored)

    @settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(gone=st.lists(st.integers(0, 5), unique=True, max_size=6))
    def test_forgotten_is_never_seen(self, model, train, stored, tmp_path_factory, gone) -> None:
        root = tmp_path_factory.mktemp("forgotten")
        save_memory(calibrate(model, train.without(gone), ENTRY, 7), root / "never-seen")
        shutil.copytree(stored, root / "forgotten")
        for label in gone:
            forget_classes(root / "forgotten", [model.classes[label]])
        assert content(root / "forgotten") == content(root / "never-seen")
        assert load_memory(root / "forgotten", model).known == tuple(c for c in range(6) if c not in gone)

    def test_what_is_forgotten_may_be_forgotten_again(self, stored, tmp_path) -> None:
        folder = fresh_copy(stored, tmp_path / "m")
        forget_classes(folder, ["blue", "fern"])
        after = content(folder)
        forget_classes(folder, ["blue"])
        assert content(folder) == after
        with pytest.raises(UnknownClassError, match="'zebra'"):
            forget_classes(folder, ["zebra"])
        assert content(folder) == after

    def test_other_files_in_the_folder_are_left_alone(self, stored, tmp_path) -> None:
        folder = fresh_copy(stored, tmp_path / "m")
        (folder / "notes.txt").write_text("mine")
        forget_classes(folder, ["blue"])
        assert (folder / "notes.txt").read_text() == "mine"

    @pytest.mark.skipif(os.name != "posix", reason="needs POSIX locks")
    def test_who_waited_forgets_from_the_index_that_is_there_then(self, stored, tmp_path) -> None:
        folder = fresh_copy(stored, tmp_path / "m")
        with in_turn(folder):
            other = threading.Thread(target=forget_classes, args=(folder, ["blue"]))
            other.start()
            other.join(0.5)
            assert other.is_alive()
            (folder / "memory.json").write_bytes(Index.read(folder).without(["amber"]).to_json())
        other.join(60)
        assert load_memory(folder).known == (2, 3, 4, 5)
        assert not (folder / "00000.safetensors").exists()

    @pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
    def test_statistics_of_people_are_private(self, memory, tmp_path) -> None:
        folder, before = tmp_path / "m", os.umask(0o022)

        def modes() -> dict[str, int]:
            return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}

        try:
            save_memory(memory, folder)
            written = modes()
            forget_classes(folder, ["blue"])
            rewritten = modes()
        finally:
            os.umask(before)
        assert written.pop("m") == rewritten.pop("m") == 0o700
        assert (len(written), len(rewritten)) == (7, 6)
        assert {*written.values(), *rewritten.values()} == {0o600}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
class TestKills:
    def test_forgetting_killed_anywhere_is_done_or_not(self, stored, tmp_path) -> None:
        copy = tmp_path / "m"
        old = content(stored)
        fresh_copy(stored, tmp_path / "new")
        forget_classes(tmp_path / "new", ["amber", "coral"])
        new = content(tmp_path / "new")
        effect, done, seen = 0, False, set()
        while not done:
            for power in (False, True):
                fresh_copy(stored, copy)
                done = survives(lambda: forget_classes(copy, ["amber", "coral"]), effect, power=power)
                index = content(copy)["memory.json"]
                assert index in (old["memory.json"], new["memory.json"])
                seen.add(index)
                assert load_memory(copy).known in ((0, 1, 2, 3, 4, 5), (1, 3, 4, 5))
                forget_classes(copy, ["amber", "coral"])  # whoever got no answer asks again
                assert content(copy) == new
            effect += 1
        assert len(seen) == 2
        assert effect > 6

    def test_the_new_index_is_on_the_disk_before_files_go(self, stored, tmp_path, monkeypatch) -> None:
        folder, told = fresh_copy(stored, tmp_path / "m"), []
        fsync, replace, unlink = os.fsync, os.replace, os.unlink

        def noted(name: str, real):
            def call(*args):
                told.append((name, Path(args[-1]).name if not isinstance(args[0], int) else args[0]))
                return real(*args)

            return call

        for name, real in (("fsync", fsync), ("replace", replace), ("unlink", unlink)):
            monkeypatch.setattr(os, name, noted(name, real))
        forget_classes(folder, ["coral", "amber"])
        monkeypatch.undo()
        assert [name for name, _ in told] == ["fsync", "replace", "fsync", "unlink", "unlink", "fsync"]
        assert [what for name, what in told if name != "fsync"] == [
            "memory.json",
            "00000.safetensors",
            "00002.safetensors",
        ]

    def test_writing_killed_anywhere_is_whole_or_not_there(self, memory, stored, tmp_path) -> None:
        folder = tmp_path / "m"
        effect, done = 0, False
        while not done:
            for power in (False, True):
                shutil.rmtree(folder, ignore_errors=True)
                done = survives(lambda: save_memory(memory, folder), effect, power=power)
                if folder.exists():
                    assert content(folder) == content(stored)
                else:
                    with pytest.raises(MemoryNotFoundError, match="expunge calibrate"):
                        load_memory(folder)
                    save_memory(memory, folder)
                assert content(folder) == content(stored)
                assert [path.name for path in tmp_path.iterdir()] == ["m"]
            effect += 3
        assert effect > 10

    def test_a_write_that_fails_leaves_nothing(self, memory, tmp_path, monkeypatch) -> None:
        real, left = os.fsync, [3]

        def full(descriptor: int) -> None:
            left[0] -= 1
            if not left[0]:
                raise OSError(28, "No space left on device")
            real(descriptor)

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            save_memory(memory, tmp_path / "m")
        assert list(tmp_path.iterdir()) == []


DAMAGES = (
    *("truncated", "same size", "one bit", "another class", "no file", "another shape", "other schema"),
    *("a class too many", "wrong sum", "no number", "no json", "no object"),
)


def _damage(folder: Path, how: str) -> None:
    index, weights = folder / "memory.json", folder / "00002.safetensors"
    values = json.loads(index.read_text())
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:-8])
    elif how == "same size":
        weights.write_bytes(b"\x80\x04pickle" + bytes(weights.stat().st_size - 8))
    elif how == "one bit":
        data = bytearray(weights.read_bytes())
        data[-3] ^= 1
        weights.write_bytes(data)
    elif how == "another class":
        weights.write_bytes((folder / "00001.safetensors").read_bytes())
    elif how == "no file":
        weights.unlink()
    elif how == "another shape":
        values["statistics"][2]["directions"] = 3
        index.write_text(json.dumps(values))
    elif how == "other schema":
        index.write_text(json.dumps({**values, "schema": "expunge/memory/v9"}))
    elif how == "a class too many":
        index.write_text(json.dumps({**values, "classes": values["classes"][:3]}))
    elif how == "wrong sum":
        index.write_text(json.dumps({**values, "bytes": 1}))
    elif how == "no number":
        index.write_text(json.dumps({**values, "entry": "../../1"}))
    elif how == "no json":
        index.write_text("{")
    elif how == "no object":
        index.write_text("[1]")


class TestRefusals:
    @pytest.mark.parametrize("how", DAMAGES)
    def test_damage_is_one_clear_error(self, stored, tmp_path, how) -> None:
        folder = fresh_copy(stored, tmp_path / "m")
        _damage(folder, how)
        with pytest.raises(DamagedMemoryError, match=str(folder)):
            load_memory(folder)

    def test_no_memory(self, tmp_path) -> None:
        with pytest.raises(MemoryNotFoundError, match=r"no memory\.json"):
            load_memory(tmp_path)
        with pytest.raises(FileNotFoundError):
            forget_classes(tmp_path / "nowhere", ["a"])

    def test_another_model(self, stored, toy_model_folder) -> None:
        other = load_model(toy_model_folder)
        with torch.no_grad():
            other.linear(other.blocks[0].linears[0]).weight[0, 0] += 1
        with pytest.raises(MemoryMismatchError, match="calibrate anew"):
            load_memory(stored, other)

    def test_a_folder_with_something_in_it(self, memory, tmp_path) -> None:
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(OutputError, match="not an empty folder"):
            save_memory(memory, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

    def test_an_empty_folder_is_filled(self, memory, stored, tmp_path) -> None:
        save_memory(memory, tmp_path)
        assert content(tmp_path) == content(stored)
