"""`expunge verify FILE`: everything it needs is the file and a public key, and it never imports torch for that."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from expunge.cli._console import output
from expunge.cli._verify_model import BEFORE, compare_model
from expunge.errors import CertificateError, ExpungeError, KeyFileError

if TYPE_CHECKING:
    from expunge.cli._verify_model import ModelComparison
    from expunge.ledger import Verified

REFUSED = 2
_KEY_HELP = "A public key that you trust: a file (PEM or verifier key), or the verifier key itself."

KeyOption = Annotated[str | None, typer.Option("--key", help=_KEY_HELP, metavar="PUB")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def verify(
    file: Annotated[Path, typer.Argument(help="A certificate.", metavar="FILE")],
    key: KeyOption = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="A saved model: is it the one that the certificate speaks of, classes included?", metavar="DIR"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a certificate, offline.

    Exit code 0 means verified, 2 refused. Without --key only the file's integrity is shown.

    Example: expunge verify certificate.json --key ledger.pub
    """
    from expunge.ledger import verify as verify_certificate

    try:
        trusted = trusted_key(key)
        found = verify_certificate(read_text(file), trusted)
        compared = compare_model(found.statement, model) if model else None
    except ExpungeError as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"verified": False, "error": type(error).__name__, "message": str(error)}, indent=2))
        raise typer.Exit(REFUSED) from error
    if as_json:
        typer.echo(json.dumps(_as_json(found, compared), indent=2))
    else:
        _show(found, compared)


def trusted_key(key: str | None) -> bytes | None:
    """The raw key that `--key` names.

    Raises:
        KeyFileError: It is neither a file with a public key nor a verifier key.
    """
    from expunge.ledger import read_public

    if key is None:
        return None
    path = Path(key)
    try:
        text = path.read_bytes()[:16_384].decode("utf-8", "replace") if path.is_file() else key
    except OSError as error:
        raise KeyFileError(f"The key {path} cannot be read: {error.strerror}.") from error
    try:
        return read_public(text)
    except KeyFileError as error:
        # What was given is not repeated: it may be a private key.
        raise KeyFileError(f"--key names no public key. {error}") from error


def read_text(file: Path) -> bytes:
    """The bytes of a certificate, one more than the largest that is verified at most.

    Raises:
        CertificateError: The file cannot be read.
    """
    from expunge.ledger import MOST_BYTES

    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise CertificateError(f"The certificate {file} cannot be read: {error.strerror}.") from error


def plain(text: object) -> str:
    """Text of unknown origin for a terminal: no markup, no control characters."""
    return escape("".join(letter if letter.isprintable() else "\ufffd" for letter in str(text)))


def _as_json(found: "Verified", compared: "ModelComparison | None") -> dict[str, Any]:
    return {
        "verified": True,
        "trusted": found.trusted,
        "signer": str(found.signer),
        "ledger": found.checkpoint.origin,
        "entries": found.checkpoint.size,
        "entry": found.entry.seq,
        "recorded": found.entry.time,
        "model": compared.which if compared else None,
        "checks": [*found.checks, *(compared.checked if compared else ())],
        "not_compared": list(compared.left_out) if compared else [],
        "statement": found.statement.model_dump(mode="json", by_alias=True),
    }


def _show(found: "Verified", compared: "ModelComparison | None") -> None:
    says = found.statement.predicate
    targets = ", ".join(target.name or f"digest {(target.digest or '')[:12]}…" for target in says.request.targets)
    rows = [
        ("request", f"{says.request.id}, received {says.request.received}"),
        ("targets", targets),
        ("method", says.method.name),
        ("verdict", f"{says.verdict.outcome.replace('_', ' ')} under policy {says.policy.name}"),
        ("measured", ", ".join(says.scorecard)),
        ("released", says.request.released or "no"),
        ("claim", says.claim),
        ("out of scope", "; ".join(says.out_of_scope)),
    ]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in (*found.checks, *(compared.checked if compared else ())):
        table.add_row("[green]checked[/]", plain(check))
    for gap in compared.left_out if compared else ():
        table.add_row("[yellow]not compared[/]", plain(gap))
    for name, value in rows:
        table.add_row(name, plain(value))
    output.print(table, highlight=False)
    if compared and compared.which == BEFORE:
        output.print("[yellow]This is the model as it was before the edit.[/]")
    if found.trusted:
        output.print("[bold green]verified[/]: signed by the given key, or by one that it introduced")
    else:
        output.print(
            "[bold yellow]intact[/], but by whom? Anybody can make such a file with a key of their own: "
            "give the key that you trust with --key."
        )
