"""Nothing personal leaves its place: not into the ledger, the database, an artefact or a message."""

import hashlib
import hmac
import json

import pytest

from expunge.errors import HeldError, RequestError
from expunge.workspace import Actor, State
from tests.workspace.tools import JANE, assert_sound, ledger_entries, to_released, write_images

SUBJECT, TOKEN, REASON, FILE = "Jürgen Müller 4711", "ticket 0815", "he asked by phone", "juergen-mueller-at-home"


@pytest.fixture
def submitted(place, images) -> str:
    for number, path in enumerate(sorted(images.iterdir())):
        path.rename(images / f"{FILE}-{number}.png")
    return place.submit(["amber"], images, Actor("Ms. Doe"), subject=SUBJECT, token=TOKEN, reason=REASON).id


def test_subjects_and_file_names_are_nowhere(place, submitted, images) -> None:
    to_released(place, submitted)
    place.destroy_images(submitted, JANE)
    for path in place.path.rglob("*"):
        assert FILE not in path.name
        content = path.read_bytes() if path.is_file() else b""
        for secret in (SUBJECT, TOKEN, FILE, "Müller", str(images)):
            assert secret.encode() not in content, path
            assert secret.encode("utf-16-le") not in content


def test_the_ledger_holds_neither_reasons_nor_names_nor_targets(place, submitted) -> None:
    text = json.dumps(ledger_entries(place), ensure_ascii=False)
    for secret in (SUBJECT, TOKEN, REASON, FILE, "Doe", "jane", "amber"):
        assert secret not in text


def test_pseudonyms_are_keyed(place, submitted) -> None:
    """HMAC-SHA256 of the kind and the text, computed here once more; a bare digest could be guessed."""
    secret = bytes.fromhex((place.path / "keys" / "pseudonyms.key").read_text())
    expected = hmac.new(secret, b"subject\0" + SUBJECT.encode(), hashlib.sha256).hexdigest()
    with place._database.reading() as connection:
        row = connection.execute("SELECT subject, token FROM request").fetchone()
    assert row["subject"] == expected
    assert row["token"] == hmac.new(secret, b"token\0" + TOKEN.encode(), hashlib.sha256).hexdigest()
    reason = hmac.new(secret, b"reason\0" + REASON.encode(), hashlib.sha256).hexdigest()
    assert ledger_entries(place)[3]["facts"]["reason_sha256"] == reason
    assert secret.hex() not in repr(place._keys())


def test_a_token_gives_the_request_that_is_there(place, submitted, images) -> None:
    again = place.submit(["amber"], images, JANE, token=TOKEN)
    assert again.id == submitted
    assert len(place.requests()) == 1
    assert_sound(place)


def test_images_are_destroyed_once_and_on_record(place, submitted) -> None:
    with pytest.raises(HeldError, match="received"):
        place.destroy_images(submitted, JANE)
    to_released(place, submitted)
    (due,) = place.destroyable()
    assert due.id == submitted
    first = place.destroy_images(submitted, JANE)
    assert place.destroy_images(submitted, JANE) == first
    assert not place.destroyable()
    assert not (place.path / "quarantine" / submitted).exists()
    (entry,) = (entry for entry in ledger_entries(place) if entry["facts"]["kind"] == "destruction")
    received = next(entry for entry in ledger_entries(place) if entry["facts"].get("role") == "forget-images")
    assert entry["facts"] == {
        "kind": "destruction",
        "what": "forget-images",
        "count": 3,
        "sha256": received["facts"]["sha256"],
    }
    assert_sound(place)


def test_holds_keep_images(place, submitted) -> None:
    to_released(place, submitted)
    with place.transaction() as transaction:
        transaction.hold_images(submitted, JANE, "a court asked")
    with pytest.raises(HeldError, match="legal hold"):
        place.destroy_images(submitted, JANE)
    with place.transaction() as transaction:
        transaction.hold_images(submitted, JANE, lift=True)
        transaction.hold_all(JANE)
    with pytest.raises(HeldError, match="workspace is on hold"):
        place.destroy_images(submitted, JANE)
    assert not place.destroyable()
    with place.transaction() as transaction:
        transaction.hold_all(JANE, lift=True)
    assert place.destroy_images(submitted, JANE).destroyed
    codes = [entry["facts"].get("reason") for entry in ledger_entries(place)]
    assert codes.count("legal-hold") == codes.count("legal-hold-lifted") == 1


def test_nothing_is_released_on_hold(place, submitted) -> None:
    with place.transaction() as transaction:
        transaction.hold_all(JANE)
        with pytest.raises(HeldError):
            transaction.hold_all(JANE)
    with pytest.raises(HeldError):
        place.move(submitted, State.RELEASED, JANE)


def test_a_token_belongs_to_one_request(place, submitted, images, tmp_path) -> None:
    with pytest.raises(RequestError, match=f"belongs to request {submitted}"):
        place.submit(["blue"], images, JANE, token=TOKEN)
    with pytest.raises(RequestError, match="other images"):
        place.submit(["amber"], write_images(tmp_path / "others", shade=9), JANE, token=TOKEN)
    assert len(place.requests()) == 1
    assert_sound(place)
