"""A certificate for people: one page to read on a screen, or to print to PDF from any browser.

The page is made from a certificate that verifies, and still takes every text in it for a stranger's.
"""

import hashlib
import json
import shlex
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from expunge.evidence import HEADLINE, HINTS, Row, grouped, on_axis, said, struck
from expunge.ledger import Certificate, verify
from expunge.release._pages import render


@dataclass(frozen=True, slots=True)
class Marks:
    """One number of the scorecard as a table row.

    Attributes:
        row: The numbers.
        drawn: Whether all of them have a place on an axis from 0 to 100 %.
    """

    row: Row
    drawn: bool


def render_certificate(
    certificate: Certificate | str | bytes, *, trusted: bytes | None = None, file: str = "certificate.json"
) -> str:
    """Verifies a certificate and says in plain words what it states.

    Args:
        certificate: The certificate, or the text of its file.
        trusted: A public key that the maker of the page trusts, 32 raw bytes. Without one the page says that only
            integrity was checked.
        file: Path of the certificate's file, for the command that checks it.

    Returns:
        One HTML page that loads nothing from outside and runs no script; printed on A4 it is the paper version.

    Raises:
        CertificateError: It does not verify; no page is made of it.
    """
    text = certificate.to_json() if isinstance(certificate, Certificate) else certificate
    data = text.encode() if isinstance(text, str) else text
    found = verify(data, trusted)
    predicate = found.statement.predicate
    settings = {name: json.dumps(value, ensure_ascii=False) for name, value in predicate.method.settings.items()}
    rows = _rows(predicate.scorecard)
    first = [row for row in rows if row.key in HEADLINE] or [row for row in rows if row.aim != "context"]
    return render(
        "certificate.html.j2",
        found=found,
        said=predicate,
        digests={subject.name: subject.digest.sha256 for subject in found.statement.subject},
        outcome=said(predicate.verdict.outcome),
        particulars=[*settings.items(), *predicate.software.items(), *predicate.hardware.items()],
        first=_marked(first),
        rest=_marked([row for row in rows if row not in first]),
        further=len(rows) - len(first),
        raw="" if rows else json.dumps(predicate.scorecard, indent=2, ensure_ascii=False),
        hints=HINTS,
        struck=struck,
        command=f"expunge verify {shlex.quote(file)} --key issuer.pub",
        file_sha256=hashlib.sha256(data).hexdigest(),
    )


def _rows(scorecard: dict[str, Any]) -> tuple[Row, ...]:
    """The rows of a scorecard; none where a later version writes them otherwise."""
    rows = scorecard.get("rows")
    try:
        return tuple(Row.model_validate(row) for row in rows) if isinstance(rows, list) else ()
    except ValidationError:
        return ()


def _marked(rows: list[Row]) -> list[tuple[str, tuple[Marks, ...]]]:
    return [(heading, tuple(Marks(row, _fits(row)) for row in some)) for heading, some in grouped(rows)]


def _fits(row: Row) -> bool:
    values = (row.value, row.low, row.high, row.original, row.oracle)
    return all(on_axis(row, value) for value in values if value is not None)
