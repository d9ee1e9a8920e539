"""`expunge certificate ID --out FILE`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli._console import output
from expunge.cli._workspace_options import RequestArgument, WorkspaceOption, open_workspace


def certificate(
    request: RequestArgument,
    out: Annotated[Path, typer.Option("--out", help="Where the certificate is written; an older one is replaced.")],
    html: Annotated[
        Path | None, typer.Option("--html", help="Where the page for people is written; any browser prints it to PDF.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write the certificate of a released request. It verifies offline with nothing but the public key.

    Example: expunge certificate r-7k3m9q2x4c --out certificate.json --html certificate.html

    Asked for again, it is the same statement under the ledger's latest checkpoint. What was rolled back gets none.
    """
    from expunge.ledger import read_public
    from expunge.lifecycle import certificate_text
    from expunge.release import render_certificate
    from expunge.workspace import KEYS, VERIFIER_KEY

    with open_workspace(workspace) as place:
        text = certificate_text(place, request)
        key = place.path / KEYS / VERIFIER_KEY
        page = None
        if html is not None:
            page = render_certificate(text, trusted=read_public(key.read_text("ascii")), file=out.name)
    _write(out, text)
    if html is not None and page is not None:
        _write(html, page)
    output.print(f"certificate: {out}", highlight=False, markup=False, soft_wrap=True)
    output.print(f"verify: expunge verify {out} --key {key}", highlight=False, markup=False, soft_wrap=True)


def _write(path: Path, text: str) -> None:
    """Writes a file in place of an earlier one, which stays as it is if the disk refuses."""
    from expunge.durable import replace_file
    from expunge.workspace import writing

    with writing(str(path)):
        if path.exists() and not path.is_file():  # a pipe, or a terminal: nothing of it can be replaced
            path.write_text(text, encoding="utf-8")
        else:
            replace_file(path.resolve(), text.encode())
