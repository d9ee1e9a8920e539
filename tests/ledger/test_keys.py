import os
import shutil
import stat
import subprocess
from typing import Literal

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from expunge.errors import KeyFileError, KeyRingError, OutputError
from expunge.ledger import KeyEvent, KeyRing, PublicKey, SigningKey, introduce, read_public
from tests.ledger.ledger_samples import KEY, NAME, NEXT_KEY, STRANGER


def test_signatures_are_those_of_rfc_8032() -> None:
    """Section 7.1, test 2: one byte signed."""
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = SigningKey.from_seed("a", seed)
    assert key.public.raw.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign(b"\x72")
    assert signature.hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert key.public.verifies(signature, b"\x72")
    assert not key.public.verifies(signature, b"\x73")
    assert not key.public.verifies(signature[:-1], b"\x72")


def test_a_key_survives_its_file(tmp_path) -> None:
    key = SigningKey.generate(NAME)
    key.save(tmp_path / "key.pem")
    assert SigningKey.load(tmp_path / "key.pem", NAME).public == key.public
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


@pytest.mark.skipif(os.name != "posix", reason="modes of files as POSIX has them")
@pytest.mark.parametrize("umask", [0, 0o022])
def test_the_file_is_for_its_owner_alone_whatever_the_umask(tmp_path, umask) -> None:
    old = os.umask(umask)
    try:
        KEY.save(tmp_path / "key.pem")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_openssl_reads_the_key(tmp_path) -> None:
    KEY.save(tmp_path / "key.pem")
    command = ["openssl", "pkey", "-in", str(tmp_path / "key.pem"), "-pubout"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == KEY.public.pem()


def test_a_key_is_never_overwritten(tmp_path) -> None:
    KEY.save(tmp_path / "key.pem")
    with pytest.raises(OutputError, match="never overwritten"):
        NEXT_KEY.save(tmp_path / "key.pem")
    assert SigningKey.load(tmp_path / "key.pem", NAME).public == KEY.public
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


def test_a_key_that_cannot_be_written_leaves_nothing(tmp_path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        KEY.save(tmp_path / "missing" / "key.pem")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="modes of files as POSIX has them")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_open_to_others_is_refused(tmp_path, mode) -> None:
    KEY.save(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}.*chmod 600"):
        SigningKey.load(tmp_path / "key.pem", NAME)


def pem_of(key, encryption=None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


RSA = generate_private_key(65537, 1024)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no private key"),
        (b"\x00" * 100_000, "no private key"),
        (KEY.public.pem().encode(), "no private key"),
        (pem_of(RSA), "another kind"),
        (pem_of(RSA, BestAvailableEncryption(b"secret")), "unencrypted"),
    ],
    ids=["empty", "zeros", "public", "rsa", "encrypted"],
)
def test_what_is_no_private_key_is_refused(tmp_path, content, problem) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=problem):
        SigningKey.load(path, NAME)


def test_a_missing_key_is_named(tmp_path) -> None:
    with pytest.raises(KeyFileError, match=r"nokey\.pem cannot be read"):
        SigningKey.load(tmp_path / "nokey.pem", NAME)


def test_a_private_key_never_shows_itself() -> None:
    seed = bytes([1]) * 32
    shown = repr(KEY) + str(KEY) + repr(vars(type(KEY)))
    assert seed.hex() not in shown
    assert repr(KEY) == f"SigningKey(name='{NAME}')"


def test_public_keys_are_read_in_both_spellings() -> None:
    assert read_public(KEY.public.pem()) == KEY.public.raw == read_public(f" {KEY.public}\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (pem_of(RSA).decode(), "private key"),
        (RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), "another kind"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "can be read"),
        ("ssh-ed25519 AAAA someone", "NAME.ID.KEY"),
        ("", "NAME.ID.KEY"),
    ],
)
def test_other_public_keys_are_refused(text, problem) -> None:
    with pytest.raises(KeyFileError, match=problem):
        read_public(text)


@pytest.mark.parametrize(("name", "raw"), [("", 32), ("a b", 32), ("a+b", 32), ("ä", 32), ("x" * 129, 32), ("a", 31)])
def test_names_and_sizes_of_keys(name, raw) -> None:
    with pytest.raises(KeyFileError):
        PublicKey(name, bytes(raw))
    with pytest.raises(KeyFileError, match="32 bytes"):
        SigningKey.from_seed(NAME, b"short")


@given(st.text(max_size=60) | st.text(max_size=20).map(lambda text: f"{KEY.public}"[:60] + text))
def test_any_text_is_a_public_key_or_refused(text) -> None:
    with pytest.raises(KeyFileError):
        read_public(text)


# --- The ring ---


def event(what: Literal["retired", "revoked"], key: SigningKey) -> KeyEvent:
    return KeyEvent(event=what, key=str(key.public))


def ring(*events: tuple[int, KeyEvent]) -> KeyRing:
    found = KeyRing()
    for index, happened in events:
        found = found.after(index, happened)
    return found


def test_a_key_signs_from_its_addition_to_its_end() -> None:
    keys = ring((0, introduce(KEY.public)), (4, introduce(NEXT_KEY.public, KEY)), (5, event("retired", KEY)))
    old, new = keys.records
    assert [size for size in range(10) if old.in_force(size)] == [1, 2, 3, 4, 5]
    assert [size for size in range(10) if new.in_force(size)] == [5, 6, 7, 8, 9]


def test_revocation_ends_a_retired_key_no_later() -> None:
    keys = ring(
        (0, introduce(KEY.public)),
        (1, introduce(NEXT_KEY.public)),
        (3, event("retired", KEY)),
        (6, event("revoked", KEY)),
    )
    assert [size for size in range(10) if keys.records[0].in_force(size)] == [1, 2, 3]


def test_trust_follows_vouchers_from_old_to_new() -> None:
    keys = ring((0, introduce(KEY.public)), (1, introduce(NEXT_KEY.public, KEY)), (2, introduce(STRANGER.public)))
    assert keys.leads_to(NEXT_KEY.public, KEY.public.raw)
    assert keys.leads_to(KEY.public, KEY.public.raw)
    assert not keys.leads_to(KEY.public, NEXT_KEY.public.raw)
    assert not keys.leads_to(STRANGER.public, KEY.public.raw)


def test_a_forged_voucher_introduces_nobody() -> None:
    honest = introduce(NEXT_KEY.public, KEY)
    forged = KeyEvent(event="added", key=str(STRANGER.public), vouched_by=honest.vouched_by, voucher=honest.voucher)
    assert not ring((0, introduce(KEY.public)), (1, forged)).leads_to(STRANGER.public, KEY.public.raw)


def test_a_revoked_key_vouches_for_nobody() -> None:
    keys = ring((0, introduce(KEY.public)), (1, introduce(NEXT_KEY.public, KEY)), (2, event("revoked", KEY)))
    assert not keys.leads_to(NEXT_KEY.public, KEY.public.raw)


@pytest.mark.parametrize(
    ("happened", "problem"),
    [
        (introduce(KEY.public), "there already"),
        (event("retired", NEXT_KEY), "not there already"),
        (introduce(SigningKey.from_seed("another.name", bytes(32)).public), "bear its name"),
        (introduce(NEXT_KEY.public, STRANGER), "has no key"),
    ],
)
def test_events_that_cannot_be(happened, problem) -> None:
    with pytest.raises(KeyRingError, match=problem):
        ring((0, introduce(KEY.public)), (1, happened))


def test_a_key_ends_once() -> None:
    cases: list[tuple[Literal["retired", "revoked"], Literal["retired", "revoked"]]]
    cases = [("retired", "retired"), ("revoked", "revoked"), ("revoked", "retired")]
    for first, second in cases:
        with pytest.raises(KeyRingError, match="come to its end"):
            ring((0, introduce(KEY.public)), (1, event(first, KEY)), (2, event(second, KEY)))


def test_the_digest_knows_every_part_of_the_history() -> None:
    start = ring((0, introduce(KEY.public)))
    others = [
        ring((1, introduce(KEY.public))),
        ring((0, introduce(NEXT_KEY.public))),
        start.after(1, event("retired", KEY)),
        start.after(1, event("revoked", KEY)),
        start.after(1, introduce(NEXT_KEY.public)),
        start.after(1, introduce(NEXT_KEY.public, KEY)),
    ]
    assert len({start.digest, *(other.digest for other in others)}) == 7
