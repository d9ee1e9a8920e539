import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.errors import KeyFileError, NoteError
from expunge.ledger._note import parse_note, sign_note
from expunge.ledger.checkpoint import Checkpoint, parse_checkpoint
from expunge.ledger.keys import PublicKey, SigningKey

# Example of the C2SP signed-note specification.
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# Example of Go's golang.org/x/mod/sumdb/note, which publishes the private key, too.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE = (
    f"{GO_TEXT}\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# Example of the C2SP tlog-checkpoint specification: a checkpoint without extension lines.
C2SP_CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— "
    "example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
PETER = SigningKey.from_seed("PeterNeumann", base64.b64decode(GO_PRIVATE.split("+", 4)[4])[1:])


@pytest.mark.parametrize(("key", "note"), [(SPEC_KEY, SPEC_NOTE), (GO_KEY, GO_NOTE)])
def test_published_notes_verify(key, note) -> None:
    public = PublicKey.parse(key)
    assert parse_note(note).signers([public]) == (public,)


def test_signing_gives_the_published_note() -> None:
    assert str(PETER.public) == GO_KEY
    assert sign_note(GO_TEXT, PETER) == GO_NOTE


def test_signatures_by_others_are_ignored() -> None:
    other = SigningKey.from_seed("example.com/bar", bytes(32))
    note = parse_note(sign_note(GO_TEXT, other, PETER))
    assert note.signers([PETER.public]) == (PETER.public,)
    assert note.signers([PublicKey.parse(SPEC_KEY)]) == ()


def test_a_known_key_with_a_wrong_signature_is_refused() -> None:
    for altered in (GO_NOTE.replace("answer", "answers"), GO_NOTE.replace("nAM=", "mAM=")):
        with pytest.raises(NoteError, match="does not belong to this text"):
            parse_note(altered).signers([PETER.public])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        GO_NOTE[:-1],
        GO_NOTE.replace("\n\n", "\n"),
        GO_NOTE.replace("— ", "- "),
        GO_NOTE.replace("— ", "—"),
        GO_NOTE.replace("PeterNeumann", "Peter+Neumann"),
        GO_NOTE.replace("PeterNeumann", ""),
        GO_NOTE.replace("AM=\n", "AN=\n"),  # the same bytes in another spelling
        GO_NOTE.replace("AM=\n", "AM\n"),
        GO_NOTE.replace("AM=\n", "A M=\n"),
        GO_NOTE.replace("answer", "ans\twer"),
        "text\n\n— name AAAA\n",
        GO_NOTE + "— name AAAAAAAA\n" * 100,
        "x" * 70_000 + GO_NOTE,
    ],
)
def test_malformed_notes_are_refused(note) -> None:
    with pytest.raises(NoteError):
        parse_note(note)


@pytest.mark.parametrize("text", ["no newline", "a\rb\n", "a\0\n", "\ud800\n"])
def test_such_text_is_not_signed(text) -> None:
    with pytest.raises(NoteError):
        sign_note(text, PETER)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "something else"),
        (GO_KEY[:-1], "base64"),
        (GO_KEY.replace("c74f20a3", "c74f20a4"), "expected PeterNeumann.c74f20a3"),
        (GO_KEY.replace("c74f20a3", "C74F20A3"), "expected PeterNeumann.c74f20a3"),
        (GO_KEY.replace("Peter", "peter"), "expected peterNeumann"),
        (GO_KEY.replace("+ARpc", "+Ahpc"), "something else"),
        ("a b" + GO_KEY, "without spaces"),
        (f"x+00000000+{base64.b64encode(bytes([1] * 32)).decode()}", "32 bytes, this one has 31"),
    ],
)
def test_malformed_verifier_keys_are_refused(key, problem) -> None:
    with pytest.raises(KeyFileError, match=problem):
        PublicKey.parse(key)


def test_a_checkpoint_is_a_note_that_others_can_read() -> None:
    """Three lines as the specification has them, one extension line, and a signature over all of it."""
    checkpoint = Checkpoint("PeterNeumann", 20852163, bytes(range(32)), bytes(32))
    note = sign_note(str(checkpoint), PETER)
    origin, size, root, extension, blank, signature, end = note.split("\n")
    assert (origin, size, base64.b64decode(root)) == ("PeterNeumann", "20852163", bytes(range(32)))
    assert (extension, blank, end) == ("keys AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "", "")
    assert signature.startswith("— PeterNeumann x08go")
    assert parse_checkpoint(note)[0] == checkpoint


def test_what_is_no_checkpoint_of_ours_is_refused() -> None:
    good = str(Checkpoint("PeterNeumann", 7, bytes(32), bytes(32)))
    wrong = [
        GO_TEXT,
        good.replace("\n7\n", "\n07\n"),
        good.replace("\n7\n", "\n\u0667\n"),
        good.replace("\n7\n", "\n-7\n"),
        good.replace("\n7\n", "\n" + "9" * 5000 + "\n"),
        good.replace("keys ", ""),
        good.replace("keys ", "Keys "),
        good.replace("\nA", "\n", 1),
        good + "more\n",
        good.replace("PeterNeumann", ""),
    ]
    for text in wrong:
        with pytest.raises(NoteError, match="no checkpoint"):
            parse_checkpoint(sign_note(text, PETER))
    with pytest.raises(NoteError, match="no checkpoint"):
        parse_checkpoint(C2SP_CHECKPOINT)
    assert parse_note(C2SP_CHECKPOINT).text.startswith("example.com/behind-the-sofa\n20852163\n")


@given(st.text(max_size=80) | st.text(max_size=40).map(lambda text: GO_NOTE[:150] + text))
def test_any_text_is_a_note_or_refused(text) -> None:
    try:
        note = parse_note(text)
    except NoteError:
        return
    assert text.startswith(note.text + "\n—")
