"""A classifier made of words, in a workspace up to a verified certificate, which says what the words still do."""

import json
from pathlib import Path

from expunge.cli.app import run
from expunge.lifecycle.certificate import TEXT_MODEL
from expunge.vision import load_model
from tests.lifecycle.conftest import LENIENT
from tests.toy import CLASSES


def test_from_words_to_a_verified_certificate(
    tmp_path, monkeypatch, capsys, toy_clip_folder, toy_data_folder, photos
) -> None:
    def call(*arguments: object) -> str:
        capsys.readouterr()
        assert run([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    monkeypatch.setenv("EXPUNGE_ACTOR", "jane")
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    (tmp_path / "rules.toml").write_text(LENIENT)
    call("zero-shot", toy_clip_folder, "--classes", tmp_path / "names.txt", "--out", tmp_path / "model")
    call("init", tmp_path / "place", "--model", tmp_path / "model", "--policy", tmp_path / "rules.toml")
    monkeypatch.chdir(tmp_path / "place")
    call("submit", "--target", "amber", "--images", photos("amber"))
    request = json.loads(call("list", "--json"))[0]["id"]
    call("approve", request)
    call("run", "--once", "--data", toy_data_folder)
    call("release", request)
    call("certificate", request, "--out", "c.json", "--html", "c.html")
    said = call("verify", "c.json", "--key", "keys/ledger.pub", "--model", "releases/0002/model")
    assert ("verified" in said, "model-after" in said) == (True, True)
    assert TEXT_MODEL.replace("'", "&#39;") in Path("c.html").read_text()
    released = load_model(Path("releases/0002/model"))
    assert (released.text_model, released.classes) == ("clip", CLASSES)
    assert released.digest() != load_model(tmp_path / "model").digest()
