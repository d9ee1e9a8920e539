"""`expunge log verify|show|prove`: what a ledger holds, and whether it is what was signed."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from expunge.cli._console import output
from expunge.cli._verify import REFUSED, JsonOption, KeyOption, plain, trusted_key
from expunge.cli._workspace_options import WorkspaceOption, open_workspace
from expunge.errors import LedgerError

if TYPE_CHECKING:
    from expunge.ledger import Entry, LedgerReport, Storage

log = typer.Typer(help="Check and read the ledger.", no_args_is_help=True)

LedgerOption = Annotated[
    Path | None,
    typer.Option("--ledger", help="Folder of a ledger by itself; by default that of a workspace.", metavar="DIR"),
]


@log.command("verify")
def verify_log(
    ledger: LedgerOption = None,
    workspace: WorkspaceOption = None,
    key: KeyOption = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint that you kept: was anything cut off since?", metavar="FILE")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute the whole ledger and say where it is wrong.

    Exit code 0 means sound, 2 not. Keep the checkpoint that is printed, and give it next time.

    Example: expunge log verify --ledger ledger --key ledger.pub
    """
    from expunge.ledger import check

    with _storage(ledger, workspace) as storage:
        report = check(storage, trusted_key(key), _kept(checkpoint))
        last = storage.checkpoints()[-1:]
    if as_json:
        typer.echo(json.dumps(_as_json(report, last), indent=2, ensure_ascii=False))
    else:
        _show_report(report, last)
    if not report.ok:
        raise typer.Exit(REFUSED)


@log.command("show")
def show(
    ledger: LedgerOption = None,
    workspace: WorkspaceOption = None,
    request: Annotated[str | None, typer.Option(help="Only entries of this request.", metavar="ID")] = None,
    kind: Annotated[str | None, typer.Option(help="Only entries of this kind: state, artefact, key …")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the entries.

    Example: expunge log show --ledger ledger --request r-0001
    """
    from expunge.ledger import Entry, Log

    with _storage(ledger, workspace) as storage:
        entries = [Entry.parse(line) for line in storage.entries(0, Log(storage).size)]
    chosen = [entry for entry in entries if request in (None, entry.request) and kind in (None, entry.facts.kind)]
    if as_json:
        typer.echo(json.dumps([entry.model_dump(mode="json", by_alias=True) for entry in chosen], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("entry", "time", "actor", "request", "kind"):
        table.add_column(heading, no_wrap=True)
    table.add_column("facts", overflow="fold")
    for entry in chosen:
        cells = (entry.seq, entry.time, entry.actor, entry.request or "–", entry.facts.kind, _facts(entry))
        table.add_row(*map(plain, cells))
    output.print(table, highlight=False)


@log.command("prove")
def prove(
    entry: Annotated[int | None, typer.Argument(help="Index of an entry.", metavar="ENTRY")] = None,
    ledger: LedgerOption = None,
    workspace: WorkspaceOption = None,
    since: Annotated[
        int | None, typer.Option(help="Prove instead that the first SIZE entries are unchanged.", metavar="SIZE")
    ] = None,
) -> None:
    """Print a proof as JSON, for RFC 9162: of one entry, or that the ledger only grew.

    Example: expunge log prove 4 --ledger ledger
    """
    from expunge.ledger import Log, to_base64

    if (entry is None) == (since is None):
        raise LedgerError("Expected either the index of an entry or --since SIZE.")
    with _storage(ledger, workspace) as storage:
        found = Log(storage)
        if since is not None:
            path = [to_base64(sibling) for sibling in found.consistency(since)]
            proof = {"old": since, "new": found.size, "consistency": path, "checkpoint": found.checkpoint()}
        else:
            made = found.prove(entry or 0)
            path = [to_base64(sibling) for sibling in made.path]
            proof = {"index": entry, "entry": made.entry.decode(), "inclusion": path, "checkpoint": made.checkpoint}
    typer.echo(json.dumps(proof, indent=2, ensure_ascii=False))


@contextmanager
def _storage(ledger: Path | None, workspace: Path | None) -> "Iterator[Storage]":
    """The ledger in a folder by itself, or that of a workspace.

    Raises:
        LedgerError: Both are named.
        WorkspaceError: Neither is named and the current folder is in no workspace.
    """
    from expunge.ledger import FolderStorage

    if ledger is not None and workspace is not None:
        raise LedgerError("Name either --ledger DIR or --workspace DIR, not both.")
    if ledger is not None:
        yield FolderStorage(ledger)
        return
    with open_workspace(workspace) as place, place.ledger_storage() as storage:
        yield storage


def _kept(checkpoint: Path | None) -> str | None:
    if checkpoint is None:
        return None
    try:
        return checkpoint.read_bytes()[:65_536].decode("utf-8", "replace")
    except OSError as error:
        raise LedgerError(f"The checkpoint {checkpoint} cannot be read: {error.strerror}.") from error


def _facts(entry: "Entry") -> str:
    facts = {name: str(value) for name, value in entry.facts.model_dump(exclude={"kind"}, exclude_none=True).items()}
    return ", ".join(f"{name} {value if len(value) < 33 else value[:8] + '…'}" for name, value in facts.items())


def _as_json(report: "LedgerReport", last: Sequence[str]) -> dict[str, object]:
    findings = {
        name: [{"index": found.index, "kind": found.kind, "message": found.message} for found in group]
        for name, group in (("problems", report.problems), ("warnings", report.warnings))
    }
    return {"ok": report.ok, "entries": report.size, **findings, "checkpoint": last[0] if report.ok and last else None}


def _show_report(report: "LedgerReport", last: Sequence[str]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for colour, group in (("red", report.problems), ("yellow", report.warnings)):
        for found in group:
            table.add_row(f"[{colour}]{found.kind}[/]", plain(found.message))
    if table.row_count:
        output.print(table, highlight=False)
    if report.ok:
        output.print(f"[bold green]sound[/]: {report.size} entries, each with its signature")
        for line in ("", *(last[0].splitlines() if last else ())):
            output.print(plain(line), highlight=False, soft_wrap=True)
    else:
        output.print(f"[bold red]not sound[/]: {report.size} entries could be verified before that")
