"""`expunge serve-check` as a user runs it, in this process."""

import json
from pathlib import Path

import pytest
import typer

from expunge.adapters import Edit, EditStack
from expunge.cli._serve_check import serve_check
from expunge.errors import ClassMismatchError, EmptyClassError, OutputError, ReleaseDamagedError
from expunge.release import Releases
from expunge.runs import load
from tests import toy

NOON = "2026-11-24T12:00:00Z"


@pytest.fixture(scope="module")
def releases(toy_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy model, and the same with amber struck at the head."""
    model = load(toy_model_folder, device="cpu")
    stack, before = EditStack(model), model.digest()
    found = Releases(tmp_path_factory.mktemp("served") / "releases")
    found.publish(model, (), before=before, time=NOON)
    stack.push(Edit(masked=(0,)))
    found.publish(model, stack.edits, before=before, time=NOON)
    return found.folder


def go(*arguments: object) -> object:
    app = typer.Typer()
    app.command()(serve_check)
    return app(args=[str(one) for one in arguments], standalone_mode=False)


def test_labelled_images(releases: Path, toy_data_folder: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert not go(releases / "0001", releases / "0002", "--data", toy_data_folder / "test", "--out", out)
    assert sorted(path.name for path in out.iterdir()) == ["serve-check.html", "serve-check.json"]
    found = json.loads((out / "serve-check.json").read_text())
    # Struck at the head, only what was called amber is decided differently: the six images of amber.
    assert found["agreement"] == {"hits": 30, "n": 36}
    assert sorted(one["image"] for one in found["changed"]) == [f"amber/{i}.png" for i in range(toy.TEST)]
    assert (found["mcnemar"]["only_a"], found["mcnemar"]["only_b"]) == (6, 0)
    assert found["right_a"]["hits"] - found["right_b"]["hits"] == 6
    assert found["right_a"]["n"] == found["right_b"]["n"] == 36
    (amber,) = (one for one in found["classes"] if one["name"] == "amber")
    assert (amber["right_a"], amber["right_b"]) == ({"hits": 6, "n": 6}, {"hits": 0, "n": 6})
    assert found["mcnemar"]["p"] == pytest.approx(2 / 2**6)
    assert found["a"]["sha256"] == Releases(releases).record(1).weights_after
    said = " ".join(capsys.readouterr().out.split())
    assert "83.3 % of 36 images" in said
    assert "right in A alone 6, in B alone 0; McNemar p = 0.0312" in said
    assert (out / "serve-check.html").read_text().count("data:image/png;base64,") == 6


def test_plain_images_and_json(releases: Path, toy_model_folder: Path, toy_data_folder: Path, capsys) -> None:
    go(releases, toy_model_folder, "--data", toy_data_folder / "test" / "amber", "--json")  # current: the second
    found = json.loads(capsys.readouterr().out)
    assert (found["agreement"], found["mcnemar"], found["right_a"]) == ({"hits": 0, "n": 6}, None, None)
    assert {one["b"] for one in found["changed"]} == {"amber"}
    assert all(one["label"] is None for one in found["changed"])


def test_unreadable_images_can_be_left_out(releases: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "bad.png").write_text("no image")
    asked = (releases, releases, "--data", tmp_path, "--skip-unreadable")
    with pytest.raises(EmptyClassError, match="can be read"):
        go(*asked)
    assert "bad.png" in capsys.readouterr().err.replace("\n", "")


def test_bad_input(releases: Path, toy_data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    with pytest.raises(OutputError, match="not an empty folder"):
        go(releases, releases, "--data", toy_data_folder, "--out", tmp_path / "full")
    with pytest.raises(EmptyClassError, match="perhaps you mean"):
        go(releases, releases, "--data", toy_data_folder)
    with pytest.raises(EmptyClassError, match="No image"):
        go(releases, releases, "--data", tmp_path / "empty")
    other = load(releases / "0001" / "model", device="cpu")
    other.classes = ("ant", *other.classes[1:])
    other.save(tmp_path / "other")
    with pytest.raises(ClassMismatchError, match="amber, ant"):
        go(releases, tmp_path / "other", "--data", toy_data_folder / "test")


def test_a_changed_release_is_not_compared(releases: Path, toy_data_folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(releases, tmp_path / "copy")
    with (tmp_path / "copy" / "0001" / "model" / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ReleaseDamagedError, match=r"config\.json was changed"):
        go(tmp_path / "copy" / "0001", releases, "--data", toy_data_folder / "test")
