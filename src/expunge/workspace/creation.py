"""Makes a workspace. Its `workspace.json` is written last: a folder without one is no workspace."""

import re
import secrets
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from expunge.durable import sync_folder
from expunge.errors import OutputError, PolicyError
from expunge.ledger import Log, SigningKey
from expunge.workspace._database import Database
from expunge.workspace._table import TableStorage
from expunge.workspace.artefacts import Artefacts
from expunge.workspace.clock import Clock, moment
from expunge.workspace.disk import DRAFT, remove_folder, write_whole, writing
from expunge.workspace.pseudonyms import Pseudonyms
from expunge.workspace.settings import FILE, Original, Settings
from expunge.workspace.states import Actor
from expunge.workspace.submission import require_distinct
from expunge.workspace.transaction import Transaction

DATABASE, ARTEFACTS, QUARANTINE, KEYS, RUNNERS, LOCK = (
    "expunge.db",
    "artefacts",
    "quarantine",
    "keys",
    "runners",
    "files.lock",
)
SIGNING_KEY, VERIFIER_KEY, SECRET = "ledger.pem", "ledger.pub", "pseudonyms.key"
_FOLDERS = (ARTEFACTS, QUARANTINE, KEYS, RUNNERS)


def create_workspace(
    folder: Path, model: Original, memory: str | None, policy: Path | None, key: Path | None, actor: Actor, clock: Clock
) -> None:
    """Fills a new or empty folder; see `Workspace.create`."""
    require_distinct(model.classes)
    text = _policy_text(policy)
    name, four_eyes = policy_facts(text, str(policy or "the default policy"))
    origin = f"expunge.local/{secrets.token_hex(8)}"
    signer = SigningKey.generate(origin) if key is None else SigningKey.load(key, origin)
    with writing(str(folder)):
        is_ours = _claim(folder)
        try:
            settings = _fill(folder, signer, text, model, memory, four_eyes, moment(clock()), name, actor)
            write_whole(folder / FILE, [settings.to_json()])
            sync_folder(folder.parent)
        except BaseException:
            _clear(folder, is_ours)
            raise


def _claim(folder: Path) -> bool:
    """Takes a new or empty folder for this process alone, and says whether the folder itself was made.

    Raises:
        OutputError: It holds something already, if only what another process has just begun.
    """
    is_ours = not folder.exists()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileExistsError
        (folder / _FOLDERS[0]).mkdir(mode=0o700)  # of two processes that saw an empty folder, one can
    except FileExistsError as error:
        raise OutputError(f"{folder} is not an empty folder. Give the workspace a new one.") from error
    return is_ours


def _fill(
    folder: Path,
    signer: SigningKey,
    policy: bytes,
    model: Original,
    memory: str | None,
    four_eyes: bool,
    now: str,
    policy_name: str,
    actor: Actor,
) -> Settings:
    for name in _FOLDERS[1:]:  # the first one is there: it claimed the folder
        (folder / name).mkdir(mode=0o700)
    signer.save(folder / KEYS / SIGNING_KEY)
    write_whole(folder / KEYS / VERIFIER_KEY, [f"{signer.public}\n".encode()])
    pseudonyms = Pseudonyms.create(folder / KEYS / SECRET)
    stored = Artefacts(folder / ARTEFACTS).put(policy)
    settings = Settings(
        created=now, origin=signer.name, model=model, memory=memory, policy=stored.sha256, four_eyes=four_eyes
    )
    database = Database.create(folder / DATABASE)
    try:
        with database.transaction() as connection:
            log = Log.create(TableStorage(connection), signer, time=now, actor="workspace")
            transaction = Transaction(connection, now, log, pseudonyms, four_eyes)
            transaction.set_policy(policy_name, stored.sha256, actor)
            if model.sha256 is not None:
                transaction.record_artefact(None, "model", model.sha256, None, actor)
            transaction.record_settings(settings, actor)
    finally:
        database.close()
    return settings


def _clear(folder: Path, is_ours: bool) -> None:
    """Takes back what was made; best effort, as the disk may be what failed."""
    try:
        for name in _FOLDERS:
            remove_folder(folder / name)
        for path in folder.iterdir():
            if path.name.startswith((DATABASE, FILE, DRAFT)):
                path.unlink()
        if is_ours:
            folder.rmdir()
    except OSError:
        return


def _policy_text(path: Path | None) -> bytes:
    """The text of a policy; those that come with us are copied as well, so that an update changes no workspace."""
    ours = files("expunge") / "evidence" / "policies" / f"{path or 'default'}.toml"
    if path is None or (path.name == str(path) and not path.exists() and ours.is_file()):
        return ours.read_bytes()
    try:
        return path.read_bytes()
    except OSError as error:
        raise PolicyError(f"the policy {path} cannot be read: {error.strerror}") from error


def policy_facts(text: bytes, source: str) -> tuple[str, bool]:
    """A policy's name as a token, and whether it demands four eyes. Its rules are read where they are applied."""
    try:
        policy: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
    except ValueError as error:
        raise PolicyError(f"{source} is no TOML: {error}") from error
    four_eyes = policy.get("four_eyes", False)
    if not isinstance(four_eyes, bool):
        raise PolicyError(f"{source}: four_eyes is true or false, got {four_eyes!r:.60}")
    name = re.sub(r"[^A-Za-z0-9._:-]+", "-", str(policy.get("name", ""))).strip("-._:")[:64]
    return name or "policy", four_eyes
