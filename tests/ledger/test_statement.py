import json

import pytest

from expunge.errors import MalformedRecordError, NewerSchemaError
from expunge.ledger import OUT_OF_SCOPE, Statement, Target
from expunge.ledger._canonical import canonical
from tests.ledger.ledger_samples import sha, statement

STATEMENT = json.loads(statement().to_bytes())


def changed(path: str, value) -> bytes:
    """The statement with one value replaced, or taken away for `...`."""
    data = json.loads(json.dumps(STATEMENT))
    *way, last = path.split(".")
    place = data
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return canonical(data)


def test_it_is_an_in_toto_statement_about_three_things() -> None:
    assert list(STATEMENT) == ["_type", "predicate", "predicateType", "subject"]
    assert STATEMENT["_type"] == "https://in-toto.io/Statement/v1"
    assert STATEMENT["predicateType"] == "https://expunge.dev/attestation/erasure/v1"
    assert STATEMENT["subject"] == [
        {"name": "model-before", "digest": {"sha256": sha("before")}},
        {"name": "model-after", "digest": {"sha256": sha("after")}},
        {"name": "edit", "digest": {"sha256": sha("edit")}},
    ]
    assert statement().digest_of("edit") == sha("edit")


def test_it_survives_its_bytes() -> None:
    assert Statement.parse(statement().to_bytes()) == statement()


def test_it_claims_evidence_and_no_proof() -> None:
    assert "not a proof of deletion" in STATEMENT["predicate"]["claim"]
    assert any("backups" in line for line in OUT_OF_SCOPE)
    assert any("galleries" in line for line in OUT_OF_SCOPE)


def test_the_scorecard_is_carried_as_it_is() -> None:
    assert STATEMENT["predicate"]["scorecard"] == {
        "acc_f": {"before": 97.5, "after": 0, "ci95": [0, 8.8], "n": 40},
        "anchor": "head mask",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("predicate.claim", "Proof of deletion."),
        ("predicate.claim", ...),
        ("predicate.out_of_scope", []),
        ("predicate.out_of_scope", [""]),
        ("predicate.out_of_scope", ...),
        ("predicate.scorecard", {}),
        ("predicate.scorecard", []),
        ("predicate.subject_name", "Anna"),
        ("predicate.request.id", "Anna Schmidt"),
        ("predicate.request.targets", []),
        ("predicate.request.targets", [{"name": "s01", "digest": sha("s01")}]),
        ("predicate.request.targets", [{"name": None, "digest": None}]),
        ("predicate.request.targets", ["s01"]),
        ("predicate.request.released", "soon"),
        ("predicate.method.settings", [1]),
        ("predicate.verdict.reasons", "none"),
        ("predicate.policy.sha256", "ab"),
        ("predicate.times.started", ...),
        ("predicate.software", {"python": 3}),
        ("subject", STATEMENT["subject"][:2]),
        ("subject", STATEMENT["subject"][::-1]),
        ("subject", [STATEMENT["subject"][0]] * 3),
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("predicateType", "https://slsa.dev/provenance/v1"),
        ("predicateType", ...),
    ],
)
def test_other_content_is_refused(path, value) -> None:
    with pytest.raises(MalformedRecordError) as caught:
        Statement.parse(changed(path, value))
    assert "Anna" not in str(caught.value)


def test_a_later_version_is_named() -> None:
    with pytest.raises(NewerSchemaError, match=r"erasure/v2.*Update"):
        Statement.parse(changed("predicateType", "https://expunge.dev/attestation/erasure/v2"))


def test_a_target_has_a_name_or_a_digest() -> None:
    with pytest.raises(ValueError, match="either a name or a digest"):
        Target()
