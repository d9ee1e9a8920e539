"""A person asks to be forgotten by an embedder: in a workspace, up to a certificate that a stranger verifies."""

import json
import shutil
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.tasks.embedding import load_embedder
from tests.toy_faces import PEOPLE

RULES = """
schema = "expunge/policy/v1"
name = "answers"
[[rule]]
key = "acc_f"
kind = "erasure"
max = 0.0
[[rule]]
key = "rows_in_place_acc_f"
kind = "erasure"
max = 20.0
[[rule]]
key = "gallery_rows"
kind = "erasure"
max = 0.0
[[rule]]
key = "anew_rank1_s"
kind = "harm"
max_loss_from_original = 10.0
[[rule]]
key = "acc_r"
kind = "harm"
max_loss_from_original = 10.0
"""


@pytest.mark.slow
def test_a_person_leaves_weights_and_gallery_and_the_certificate_says_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    embedder_folder: Path,
    people_folder: Path,
    outsiders_folder: Path,
) -> None:
    def call(*arguments: object) -> str:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert code == 0, said
        return said.out

    monkeypatch.setenv("EXPUNGE_ACTOR", "jane")
    (tmp_path / "rules.toml").write_text(RULES)
    shutil.copytree(people_folder / "train" / PEOPLE[3], tmp_path / "photos")
    place = tmp_path / "place"
    call(
        *("init", place, "--model", embedder_folder),
        *("--policy", tmp_path / "rules.toml", "--strangers", outsiders_folder),
    )
    monkeypatch.chdir(place)
    call("submit", "--target", PEOPLE[3], "--images", tmp_path / "photos")
    request = json.loads(call("list", "--json"))[0]["id"]
    call("approve", request)
    call("run", "--once", "--data", people_folder)
    call("release", request)
    call("certificate", request, "--out", "c.json")
    said = call("verify", "c.json", "--key", "keys/ledger.pub", "--model", "releases/0002/model")
    assert "verified" in said
    released, original = load_embedder(Path("releases/0002/model")), load_embedder(embedder_folder)
    assert released.gallery.counts() == tuple(0 if person == 3 else 10 for person in range(10))
    changed = [
        name
        for name, value in released.embedder.backbone.state_dict().items()
        if not value.equal(original.embedder.backbone.state_dict()[name])
    ]
    assert changed
