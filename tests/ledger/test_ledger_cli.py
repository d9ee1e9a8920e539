import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from expunge.cli._log import log
from expunge.cli._verify import verify
from expunge.errors import (
    AlteredCertificateError,
    CertificateError,
    KeyFileError,
    LedgerDamagedError,
    LedgerError,
    LedgerNotFoundError,
    WrongKeyError,
    WrongModelError,
)
from expunge.ledger import FolderStorage, Log, Statement, issue
from expunge.ledger._merkle import extends, includes, leaf_hash
from expunge.ledger.text import from_base64
from tests.ledger.ledger_samples import KEY, STRANGER, at, ledger, sha, statement
from tests.ledger.make_certificate_fixture import FIXTURE

app = typer.Typer()
app.command()(verify)
app.add_typer(log, name="log")


def run(*arguments: object) -> int:
    """The exit code; what `expunge.cli.app.run` would turn into one passes through."""
    code = app(args=[str(argument) for argument in arguments], standalone_mode=False)
    return code if isinstance(code, int) else 0


@pytest.fixture
def key(tmp_path) -> Path:
    path = tmp_path / "ledger.pub"
    path.write_text(f"{KEY.public}\n")
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    ledger(6, FolderStorage.create(tmp_path / "ledger"))
    return tmp_path / "ledger"


def shown(capsys) -> str:
    return " ".join(capsys.readouterr().out.split())


# --- expunge verify ---


def test_a_good_certificate_is_verified_and_explained(key, capsys) -> None:
    assert run("verify", FIXTURE, "--key", key) == 0
    out = shown(capsys)
    for expected in ("verified: signed by the given key", "r-0001", "s01", "gs-lora++", "approved", "backups"):
        assert expected in out
    assert "It is not a proof of deletion." in out


def test_the_key_may_be_given_in_three_ways(tmp_path, key, capsys) -> None:
    pem = tmp_path / "ledger.pem"
    pem.write_text(KEY.public.pem())
    for given in (key, pem, str(KEY.public)):
        assert run("verify", FIXTURE, "--key", given) == 0
        assert "verified" in shown(capsys)


def test_without_a_key_it_says_that_anybody_could_have_made_it(capsys) -> None:
    assert run("verify", FIXTURE) == 0
    assert "intact, but by whom?" in shown(capsys)


def test_verified_as_json(key, capsys) -> None:
    assert run("verify", FIXTURE, "--key", key, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["verified"], said["trusted"], said["signer"]) == (True, True, str(KEY.public))
    assert (said["entry"], said["entries"], said["ledger"], said["model"]) == (5, 9, "example.org/erasures", None)
    assert said["statement"]["predicate"]["request"]["id"] == "r-0001"


def test_refused_as_json(tmp_path, capsys) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(FIXTURE.read_text().replace("\\n9\\n", "\\n8\\n"))
    assert run("verify", bad, "--json") == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["verified"], said["error"]) == (False, "AlteredCertificateError")
    assert "checkpoint" in said["message"]


def test_refusals_have_their_own_exceptions(tmp_path, key) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(FIXTURE.read_text().replace("\\n9\\n", "\\n8\\n"))
    with pytest.raises(AlteredCertificateError):
        run("verify", bad)
    with pytest.raises(WrongKeyError):
        run("verify", FIXTURE, "--key", STRANGER.public)
    with pytest.raises(KeyFileError, match="names no public key"):
        run("verify", FIXTURE, "--key", "nonsense")
    KEY.save(tmp_path / "key.pem")
    pem = (tmp_path / "key.pem").read_text()
    for private in (tmp_path / "key.pem", pem):
        with pytest.raises(KeyFileError, match="private key") as caught:
            run("verify", FIXTURE, "--key", private)
        assert pem.splitlines()[1][20:] not in str(caught.value)
    for missing in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(CertificateError, match="cannot be read"):
            run("verify", missing)


def test_a_certificate_cannot_write_to_the_terminal(tmp_path, capsys) -> None:
    data = statement().model_dump(mode="json", by_alias=True)
    data["predicate"]["method"]["name"] = "\x1b[2J[red]\u202e\u0007evil[/]"
    path = tmp_path / "certificate.json"
    path.write_text(issue(ledger(3), Statement.parse(json.dumps(data).encode()), time=at(9), actor="system"))
    assert run("verify", path) == 0
    out = capsys.readouterr().out
    assert "[red]" in out
    assert not {"\x1b", "\u202e", "\u0007"} & set(out)


def test_the_model_is_compared(tmp_path, toy_model_folder, capsys) -> None:
    from expunge.runs import load

    digest = load(str(toy_model_folder)).digest()
    predicate = statement().predicate
    cases = {
        "model-after": Statement.about(predicate, before=sha("before"), after=digest, edit=sha("edit")),
        "model-before": Statement.about(predicate, before=digest, after=sha("after"), edit=sha("edit")),
    }
    for which, stated in cases.items():
        path = tmp_path / f"{which}.json"
        path.write_text(issue(ledger(3), stated, time=at(9), actor="system"))
        assert run("verify", path, "--model", toy_model_folder, "--json") == 0
        assert json.loads(capsys.readouterr().out)["model"] == which
        assert run("verify", path, "--model", toy_model_folder) == 0
        assert ("as it was before the edit" in shown(capsys)) == (which == "model-before")
    with pytest.raises(WrongModelError, match=digest):
        run("verify", FIXTURE, "--model", toy_model_folder)


# --- expunge log ---


def test_a_sound_ledger(folder, key, tmp_path, capsys) -> None:
    assert run("log", "verify", "--ledger", folder, "--key", key) == 0
    assert "sound: 6 entries" in shown(capsys)
    assert run("log", "verify", "--ledger", folder, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["entries"], said["problems"], said["warnings"]) == (True, 6, [], [])
    kept = tmp_path / "checkpoint"
    kept.write_text(said["checkpoint"])
    assert run("log", "verify", "--ledger", folder, "--checkpoint", kept) == 0
    assert said["checkpoint"].splitlines()[2] in shown(capsys)


def test_an_unsound_ledger(folder, tmp_path, capsys) -> None:
    kept = tmp_path / "checkpoint"
    kept.write_text(Log(FolderStorage(folder)).checkpoint())
    entries = (folder / "entries.jsonl").read_bytes()
    (folder / "entries.jsonl").write_bytes(entries.replace(b'"count":12', b'"count":11'))
    assert run("log", "verify", "--ledger", folder) == 2
    assert "changed Entry 5 is changed" in shown(capsys)
    assert run("log", "verify", "--ledger", folder, "--json") == 2
    assert [found["index"] for found in json.loads(capsys.readouterr().out)["problems"]] == [5]
    for name in ("entries.jsonl", "checkpoints.txt"):
        whole = (folder / name).read_bytes().splitlines(keepends=True)
        (folder / name).write_bytes(b"".join(whole[:4]))
    assert run("log", "verify", "--ledger", folder) == 0
    assert run("log", "verify", "--ledger", folder, "--checkpoint", kept) == 2
    with pytest.raises(LedgerError, match="cannot be read"):
        run("log", "verify", "--ledger", folder, "--checkpoint", tmp_path / "missing")


def test_the_warning_of_a_clock_is_shown(folder, capsys) -> None:
    Log(FolderStorage(folder), KEY).append(ledger(2).entry(1).facts, time="2026-11-23T09:00:00Z", actor="runner")
    assert run("log", "verify", "--ledger", folder) == 0
    assert "time Entry 6 is dated" in shown(capsys)


def test_entries_are_listed(folder, capsys) -> None:
    assert run("log", "show", "--ledger", folder, "--json") == 0
    assert [entry["seq"] for entry in json.loads(capsys.readouterr().out)] == list(range(6))
    assert run("log", "show", "--ledger", folder, "--kind", "state", "--request", "r-0001", "--json") == 0
    assert [entry["seq"] for entry in json.loads(capsys.readouterr().out)] == [1, 2]
    assert run("log", "show", "--ledger", folder, "--request", "r-0009", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run("log", "show", "--ledger", folder) == 0
    assert "destruction" in shown(capsys)


def test_a_damaged_ledger_is_not_listed(folder) -> None:
    entries = (folder / "entries.jsonl").read_bytes()
    (folder / "entries.jsonl").write_bytes(entries.replace(b'"count":12', b'"count":11'))
    with pytest.raises(LedgerDamagedError, match="expunge log verify"):
        run("log", "show", "--ledger", folder)


def test_proofs_are_printed(folder, capsys) -> None:
    roots = {size: Log(FolderStorage(folder))._storage.checkpoints()[size - 1].splitlines()[2] for size in (2, 6)}
    assert run("log", "prove", 4, "--ledger", folder) == 0
    said = json.loads(capsys.readouterr().out)
    path = [from_base64(sibling) for sibling in said["inclusion"]]
    assert includes(from_base64(roots[6]), 6, 4, leaf_hash(said["entry"].encode()), path)
    assert run("log", "prove", "--since", 2, "--ledger", folder) == 0
    said = json.loads(capsys.readouterr().out)
    path = [from_base64(sibling) for sibling in said["consistency"]]
    assert extends(from_base64(roots[2]), 2, from_base64(roots[6]), 6, path)
    for wrong in ([], [1, "--since", 2], [9], ["--since", 9]):
        with pytest.raises(LedgerError, match=r"Expected|no entry"):
            run("log", "prove", *wrong, "--ledger", folder)


def test_a_missing_ledger_is_named(tmp_path) -> None:
    for command in ("verify", "show"):
        with pytest.raises(LedgerNotFoundError, match="holds no ledger"):
            run("log", command, "--ledger", tmp_path / "nowhere")


LIGHT = """
import sys
from pathlib import Path
from expunge.cli._log import log, verify_log
from expunge.cli._verify import verify
verify(Path(sys.argv[1]), key=sys.argv[2])
verify_log(Path(sys.argv[3]))
heavy = {"torch", "numpy", "transformers", "PIL", "scipy", "jinja2", "expunge.vision", "expunge.evidence"}
print("HEAVY", sorted(heavy & set(sys.modules)))
"""


def test_verification_imports_nothing_heavy(folder) -> None:
    command = [sys.executable, "-c", LIGHT, str(FIXTURE), str(KEY.public), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "verified" in done.stdout
    assert done.stdout.splitlines()[-1] == "HEAVY []"
