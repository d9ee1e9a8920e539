"""Writes fixtures/certificate-v1.json, which every later version must verify. Run once for each format, never again.

python -m tests.ledger.make_certificate_fixture
"""

from pathlib import Path

from expunge.ledger import certify, issue, seal
from tests.ledger.ledger_samples import FACTS, KEY, NEXT_KEY, at, ledger, statement

FIXTURE = Path(__file__).parent / "fixtures" / "certificate-v1.json"


def text() -> str:
    """A certificate signed by the first key, renewed after a rotation to the next one: all that the format has."""
    log = ledger(5)
    issue(log, statement(), time=at(20), actor="system")
    log.rotate(NEXT_KEY, time=at(21), actor="operator")
    log.append(FACTS[0], time=at(22), actor="runner", request="r-0002")
    return certify(log, seal(statement(), KEY), 5)


if __name__ == "__main__":
    FIXTURE.parent.mkdir(exist_ok=True)
    with FIXTURE.open("x") as file:
        file.write(text())
