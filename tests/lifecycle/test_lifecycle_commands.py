"""The whole way on the command line, in this process."""

import json
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.vision import load_model
from tests.lifecycle.conftest import FOUR_EYES, LENIENT, STRICT


@pytest.fixture
def call(tmp_path, monkeypatch, capsys, toy_model_folder):
    """Runs a command inside a workspace under the lenient policy and returns its exit code and what it printed."""
    monkeypatch.setenv("EXPUNGE_ACTOR", "jane")
    monkeypatch.chdir(tmp_path)

    def go(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return go


def begin(call, tmp_path, monkeypatch, toy_model_folder, photos, policy=LENIENT) -> str:
    (tmp_path / "rules.toml").write_text(policy)
    assert call("init", "erasures", "--model", toy_model_folder, "--policy", "rules.toml")[0] == 0
    monkeypatch.chdir(tmp_path / "erasures")
    assert call("submit", "--target", "amber", "--images", photos("amber"), "--json")[0] == 0
    return json.loads(call("list", "--json")[1])[0]["id"]


def test_from_init_to_a_verified_certificate_and_a_rollback(
    call, tmp_path, monkeypatch, toy_model_folder, toy_data_folder, photos
) -> None:
    request = begin(call, tmp_path, monkeypatch, toy_model_folder, photos)
    assert call("certificate", request, "--out", "c.json")[0] == 2
    assert "Nothing waits. `expunge approve ID` accepts a request." in call("run")[1]
    call("approve", request)
    assert call("run", "--once", "--data", toy_data_folder, "--method", "head-mask")[0] == 0
    assert json.loads(call("show", request, "--json")[1])["state"] == "approved"
    code, text = call("release", request)
    assert code == 0, text
    assert "10 images destroyed" in text

    assert call("certificate", request, "--out", "c.json", "--html", "c.html")[0] == 0
    code, text = call("verify", "c.json", "--key", "keys/ledger.pub", "--model", "releases/0002/model")
    assert (code, "model-after" in text, "verified" in text) == (0, True, True)
    assert request in Path("c.html").read_text()
    assert call("log", "verify", "--workspace", ".", "--key", "keys/ledger.pub")[0] == 0
    assert call("log", "verify")[0] == 0  # the workspace around the current folder
    shown = json.loads(call("log", "show", "--kind", "destruction", "--json")[1])
    assert [entry["request"] for entry in shown] == [request]
    assert "inclusion" in json.loads(call("log", "prove", "1")[1])
    assert call("log", "verify", "--workspace", ".", "--ledger", ".")[0] == 2

    code, text = call("rollback", request, "--why", "withdrawn")
    assert code == 0, text
    original = load_model(toy_model_folder).digest()
    assert original in text
    assert load_model(Path("releases/0001/model")).digest() == original
    assert call("rollback", request, "--why", "once more")[0] == 2
    assert call("verify", "c.json", "--key", "keys/ledger.pub")[0] == 0
    assert call("status", "--check")[0] == 0


def test_the_report(call, tmp_path, monkeypatch, toy_model_folder, toy_data_folder, photos) -> None:
    request = begin(call, tmp_path, monkeypatch, toy_model_folder, photos)
    assert "Nothing was released yet" in call("report")[1]
    assert call("report", "--retrain-hours", 2)[0] == 2
    call("approve", request)
    call("run", "--data", toy_data_folder, "--method", "head-mask")
    call("release", request)
    prices = ("--retrain-hours", 2, "--price-per-hour", 3, "--requests-per-month", 10)
    values = json.loads(call("report", "--json", *prices)[1])
    (point,) = values["points"]
    assert point["acc_r"] == point["acc_r_mask"]  # the edit is a head mask
    assert point["earlier"] == [{"requests": [request], "accuracy": 0.0, "n": 6}]
    assert set(point["drift"].values()) == {0.0}
    money = values["economics"]
    each = money["seconds_per_request"]
    assert each > 0
    assert money["price_per_request"] == pytest.approx(each / 3600 * 3)
    assert money["price_of_retraining"] == 6.0
    assert money["break_even"] == pytest.approx(7200 / each)
    assert money["months"] == pytest.approx(720 / each)
    code, text = call("report", "--html", "report.html", *prices)
    assert code == 0
    assert "A retraining costs 6.00" in text
    page = Path("report.html").read_text()
    assert request in page
    assert "<script" not in page
    assert "http" not in page


def test_what_the_policy_refuses_is_left_to_a_person(
    call, tmp_path, monkeypatch, toy_model_folder, toy_data_folder, photos
) -> None:
    request = begin(call, tmp_path, monkeypatch, toy_model_folder, photos, STRICT)
    call("approve", request)
    code, text = call("run", "--data", toy_data_folder, "--method", "head-mask")
    assert code == 3
    assert f"{request}: measured, verdict not erased" in text
    assert "linear_probe" in text
    assert call("release", request)[0] == 2
    assert call("reject", request, "--why", "the features still know it")[0] == 0


def test_four_eyes_and_bad_input(call, tmp_path, monkeypatch, toy_model_folder, toy_data_folder, photos) -> None:
    request = begin(call, tmp_path, monkeypatch, toy_model_folder, photos, FOUR_EYES)
    assert call("run", "--once", "--watch")[0] == 2
    call("approve", request)
    code, text = call("run")
    assert (code, "--data DIR" in text) == (3, True)  # nobody has said where the other images are
    call("approve", request)
    assert call("run", "--data", toy_data_folder, "--method", "nothing")[0] == 2
    assert call("run", "--data", toy_data_folder, "--method", "head-mask", "--device", "abacus")[0] == 2
    code, text = call("run", "--data", toy_data_folder, "--method", "gs-lora++", "--depth", "fast")
    assert (code, "--set last_blocks=N" in text) == (2, True)
    assert call("run", "--data", toy_data_folder, "--method", "head-mask")[0] == 0
    call("approve", request)
    code, text = call("release", request)
    assert (code, "another person" in text) == (2, True)
    assert call("release", request, "--as", "paul")[0] == 0
    assert call("release", "r-nowhere")[0] == 2
