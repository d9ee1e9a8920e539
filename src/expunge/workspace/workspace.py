"""A workspace: one folder with everything that a stream of requests needs, and nothing to start.

workspace.json  what it was made for
expunge.db      requests, moves, plans and the ledger (SQLite)
artefacts/      what was made, by digest
quarantine/     images of requests, until they are destroyed
keys/           the signing key and the secret of the pseudonyms
runners/        signs of life of runners
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path
from typing import Self

from expunge.durable import sync_folder
from expunge.errors import ExpungeError, IntakeError, LeaseLostError, UnknownRequestError
from expunge.ledger import Artefact, Destruction, Facts, Log, SigningKey, StateMove
from expunge.locks import alone, shared
from expunge.logs import tell
from expunge.workspace import creation
from expunge.workspace._database import Database
from expunge.workspace._reading import WorkspaceReader
from expunge.workspace._table import TableStorage
from expunge.workspace.artefacts import Digest
from expunge.workspace.clock import Clock, moment, one_month_after, utc_now
from expunge.workspace.destroy import Forget, destroy_images
from expunge.workspace.disk import remove_folder, writing
from expunge.workspace.intake import LIMITS, Limits, take_in, take_none
from expunge.workspace.pseudonyms import Pseudonyms
from expunge.workspace.settings import Original, Settings
from expunge.workspace.states import Actor, Request, Role, State
from expunge.workspace.submission import check_targets, digest_of, is_id, new_id, require_same
from expunge.workspace.transaction import Transaction

_LOG = logging.getLogger(__name__)

WITHOUT_IMAGES = "expunge.tasks.without_images"
"""The entry points of tasks whose requests bring no images. Their names are read alone: loading them takes torch."""


class Workspace(WorkspaceReader):
    """An open workspace. It belongs to one thread; others open it again. Use it as a context manager."""

    def __init__(self, path: Path, settings: Settings, database: Database, clock: Clock) -> None:
        """See `create` and `open`."""
        super().__init__(path, settings, database, clock)
        self._log: Log | None = None
        self._secrets: tuple[SigningKey, Pseudonyms] | None = None

    @classmethod
    def create(
        cls,
        path: Path,
        model: Original | str,
        *,
        memory: str | None = None,
        policy: Path | None = None,
        key: Path | None = None,
        actor: Actor,
        clock: Clock = utc_now,
    ) -> Self:
        """Makes a workspace in a new or empty folder and opens it.

        Args:
            path: The folder.
            model: The original model; with digest and classes if it was loaded.
            memory: Where statistics of its classes are kept.
            policy: A policy file; by default the one that comes with us. Its text is copied.
            key: An Ed25519 key as PEM, which is copied; by default a new one is made.
            actor: Who makes it.
            clock: Says what time it is.

        Raises:
            OutputError: The folder holds something already, or cannot be written.
            PolicyError: The policy cannot be read.
            KeyFileError: The key cannot be read, or others can read it.
            DuplicateClassError: Two classes of the model are one name to a request.
        """
        original = Original(source=model) if isinstance(model, str) else model
        creation.create_workspace(path, original, memory, policy, key, actor, clock)
        return cls.open(path, clock=clock)

    @classmethod
    def open(cls, path: Path, *, clock: Clock = utc_now) -> Self:
        """Opens a workspace, and clears away what an interrupted process left behind.

        On a disk that cannot be written to it can still be read, as far as its files are open to the reader.

        Raises:
            WorkspaceNotFoundError: The folder is no workspace.
            NewerWorkspaceError: A later version wrote it.
            DamagedWorkspaceError: Something of it is missing or damaged.
        """
        settings = Settings.read(path)
        writable = os.access(path, os.W_OK) and os.access(path / creation.DATABASE, os.W_OK)
        workspace = cls(path, settings, Database(path / creation.DATABASE, writable=writable), clock)
        if writable:
            workspace.sweep()
        return workspace

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes it."""
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Several changes as one: all of them are made and recorded in the ledger, or none.

        Raises:
            ReadOnlyWorkspaceError: The workspace may not be written.
            BusyWorkspaceError: Another process writes for too long.
        """
        try:
            with self._database.transaction() as connection:
                signer, pseudonyms = self._keys()
                storage = TableStorage(connection)
                if self._log is None or self._log.size != storage.size():  # another process was here
                    self._log = Log(storage, signer)
                made = Transaction(connection, moment(self.now()), self._log, pseudonyms, self.settings.four_eyes)
                yield made
        except BaseException:
            self._log = None  # it has seen entries that are undone now
            raise
        for facts, request in made.appended:  # committed: what is logged has happened
            _tell(facts, request)

    def submit(
        self,
        targets: Sequence[str],
        images: Path | None,
        actor: Actor,
        *,
        reason: str | None = None,
        subject: str | None = None,
        due: date | None = None,
        token: str | None = None,
        limits: Limits = LIMITS,
    ) -> Request:
        """Takes a new request in, with its images.

        Args:
            targets: Classes to be forgotten.
            images: A folder with one folder for each target, or the images of the only target. None where the model is
                a detector: pictures for it need boxes, so it learns from scenes of the data that are given later.
            actor: Who takes it in.
            reason: Why, in words. They stay in the workspace.
            subject: Reference to the person concerned, of which only a keyed digest is kept.
            due: Last day of the time limit; by default one month after today.
            token: Repeating a submission with the same token gives the request that is there already. So a caller
                who never got an answer can safely ask again.
            limits: What is refused as too much.

        Raises:
            RequestError: The targets cannot be used, or the token belongs to a request for other targets or images.
            IntakeError: The images are refused, nothing of them is kept; or there should be some, or none.
            OutputError: The disk refuses; nothing is kept.
        """
        names = check_targets(targets, self.settings.model.classes)
        self._check_given(images)
        number = new_id()
        final = self.path / creation.QUARANTINE / number
        draft = final.with_name(f".{number}")
        try:
            with self._filing():
                found = take_none(draft) if images is None else take_in(images, names, draft, limits)
                with self.transaction() as transaction:
                    known = None if token is None else transaction.known(token)
                    digest = digest_of(image.sha256 for image in found)
                    if known is not None:
                        return require_same(known, names, digest)
                    os.rename(draft, final)  # before the commit: a row never speaks of images that are not there
                    sync_folder(final.parent)
                    day = due or one_month_after(date.fromisoformat(transaction.now[:10]))
                    request = Request(number, State.RECEIVED, names, transaction.now, day, reason, len(found), digest)
                    transaction.receive(request, found, actor, subject=subject, token=token)
            return request
        finally:
            self._drop_unless_known(number, draft, final)

    def move(self, request: str, after: State, actor: Actor, reason: str | None = None) -> Request:
        """Moves a request from one state to another, in a person's name. Runners use `expunge.workspace.Runner`.

        Raises:
            UnlawfulMoveError: It cannot go there, or not by this actor.
            FourEyesError: A second person is needed.
            HeldError: The workspace is on hold, and this would release something.
            LeaseLostError: A runner tries.
        """
        if actor.role == Role.RUNNER:
            raise LeaseLostError("A runner moves requests of a plan that it has claimed: expunge.workspace.Runner")
        with self.transaction() as transaction:
            return transaction.move(request, after, actor, reason)

    @contextmanager
    def storing(self, data: bytes | Path) -> Iterator[tuple[Transaction, Digest]]:
        """Stores bytes, a file or a folder, and opens a transaction to note it in.

        Raises:
            OutputError: It cannot be written.
        """
        with self._filing():
            if isinstance(data, Path) and data.is_dir():
                stored = self.artefacts.put_folder(data)
            else:
                stored = self.artefacts.put(data)
            with self.transaction() as transaction:
                yield transaction, stored

    def destroy_images(self, request: str, actor: Actor, *, forget: Forget | None = None) -> Request:
        """Destroys the images of a settled request, once; see `expunge.workspace.destroy`.

        Raises:
            HeldError: It is not settled, or a hold stands.
        """
        with self.transaction() as transaction:
            return destroy_images(transaction, self.path / creation.QUARANTINE, request, actor, forget)

    def sweep(self) -> None:
        """Removes images that belong to no request and half-written artefacts, unless somebody is writing just now."""
        quarantine = self.path / creation.QUARANTINE
        with suppress(OSError), alone(self.path / creation.LOCK) as nobody_writes:
            if nobody_writes:
                known = {request.id for request in self.requests()}
                for folder in quarantine.iterdir():
                    if is_id(folder.name.removeprefix(".")) and folder.name not in known:
                        remove_folder(folder)
                self.artefacts.sweep()

    def _check_given(self, images: Path | None) -> None:
        """Refuses pictures where the model's task takes none, and a request without any where it does."""
        task = self.settings.model.task
        brings = task not in {point.name for point in entry_points(group=WITHOUT_IMAGES)}
        if not brings and images is not None:
            raise IntakeError(
                f"This workspace's model is one of {task}: pictures alone do not say what it is to forget, so a "
                "request takes none (leave --images out). It learns from what `expunge run --data` holds of them."
            )
        if brings and images is None:
            raise IntakeError("A request comes with images of what is to be forgotten. Name their folder: --images DIR")

    @contextmanager
    def _filing(self) -> Iterator[None]:
        """Files may lie about that no row names yet: `sweep` waits."""
        with writing(f"The workspace {self.path}"), shared(self.path / creation.LOCK):
            yield

    def _drop_unless_known(self, request: str, draft: Path, final: Path) -> None:
        """Leaves no images of a request that was not taken in; what the disk refuses now is left to `sweep`."""
        with suppress(OSError, ExpungeError):
            remove_folder(draft)
            try:
                self.request(request)
            except UnknownRequestError:
                remove_folder(final)

    def _keys(self) -> tuple[SigningKey, Pseudonyms]:
        """Read when first needed, so that reading a workspace takes no key."""
        if self._secrets is None:
            folder = self.path / creation.KEYS
            signer = SigningKey.load(folder / creation.SIGNING_KEY, self.settings.origin)
            self._secrets = signer, Pseudonyms.load(folder / creation.SECRET)
        return self._secrets


def _tell(facts: Facts, request: str | None) -> None:
    """Logs an entry of the ledger, which takes nothing personal either."""
    match facts:
        case StateMove():
            tell(_LOG, "state", request=request, state=facts.after)
        case Artefact():
            tell(_LOG, "artefact", request=request, role=facts.role, sha256=facts.sha256)
        case Destruction():
            tell(_LOG, "destruction", request=request, role=facts.what, count=facts.count, sha256=facts.sha256)
        case _:
            tell(_LOG, facts.kind, request=request)
