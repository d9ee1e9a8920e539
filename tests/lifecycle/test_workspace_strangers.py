"""Strangers in workspaces: what is kept of them, how they decide, and a user's own model from end to end."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load as load_tensors

from expunge.cli.app import run
from expunge.errors import DamagedWorkspaceError, EvidenceError
from expunge.evidence.strangers._thumbnails import thumbnails
from expunge.evidence.strangers.sample import Strangers
from expunge.ledger import StrangersFacts, verify
from expunge.lifecycle import RunOptions, certificate_text, release, run_waiting
from expunge.lifecycle._ladder import goes_on, ladder
from expunge.lifecycle._records import Judgement, newest
from expunge.lifecycle.strangers import keep_strangers, prepare_strangers, reopen, workspace_strangers
from expunge.methods import make_method
from expunge.runs import load, read, strangers_of
from expunge.vision import ActivationCache
from expunge.workspace import State
from expunge.workspace.strangers import STATES, kept_strangers
from tests import toy, woven
from tests.lifecycle.conftest import JANE, LENIENT

FEW = LENIENT + '[[rule]]\nkey = "strangers_known_p"\nkind = "erasure"\nmin = 0.05\nwhen = "no_oracle"\n'
UNNAMED = LENIENT.replace('name = "answers"', 'name = "answers"\nname_targets = false')


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three kinds of patches that the toy model never saw: too few to say anything."""
    return woven.write(tmp_path_factory.mktemp("three") / "strangers", range(20, 23), train=5, test=3)


def bring(place, source: Path, **options) -> None:
    model = load(place.settings.model.source, device="cpu")
    keep_strangers(place, prepare_strangers(model, str(source), **options), JANE)


def test_states_stand_for_the_photos_and_no_photo_is_kept(place, three) -> None:
    """The model makes of the states exactly what it makes of the images, and thumbnails are those of the images."""
    bring(place, three)
    model = load(place.settings.model.source, device="cpu")
    cache, images, kept = ActivationCache(model), strangers_of(read(three)), workspace_strangers(place)
    assert isinstance(kept, Strangers)
    assert kept.states is not None
    assert kept.states.entry == 1  # thorough edits three of four blocks, two of these three
    for ours, theirs in zip(
        images.seen_by(cache).__dict__.values(), kept.seen_by(cache).__dict__.values(), strict=True
    ):
        torch.testing.assert_close(theirs.embedding, ours.embedding, rtol=0, atol=1e-5)
        assert theirs.labels.tolist() == ours.labels.tolist()
    torch.testing.assert_close(thumbnails(model, kept.attack), thumbnails(model, images.attack))
    with pytest.raises(EvidenceError, match="hidden states are kept"):
        kept.attack.load([0])
    sha256, record = kept_strangers(place) or pytest.fail("nothing kept")
    tensors = load_tensors(place.artefacts.read_in(sha256, STATES))
    assert tensors["attack"].shape == (15, 17, 48)  # 15 images, 16 patches and the class token: no pixels
    assert record.images == (15, 9)
    assert [row.role for row in place.artefact_records(None)].count("strangers") == 1
    with place.ledger_storage() as storage:
        entries = b"".join(storage.entries())
    assert sha256.encode() in entries
    assert b"weave" not in entries


def test_states_of_another_model_or_below_an_edit_are_refused(place, three) -> None:
    bring(place, three)
    kept = workspace_strangers(place)
    assert kept is not None
    assert kept.states is not None
    original, edited, other = (load(place.settings.model.source, device="cpu") for _ in range(3))
    some = strangers_of(read(three)).test
    kept.states.refuse_other(original, edited, some)
    with torch.no_grad():
        other.linear(other.blocks[1].linears[0]).weight.add_(0.1)
    kept.states.refuse_other(original, other, some)  # at or above the states anything may change
    with torch.no_grad():
        edited.linear(edited.blocks[0].linears[0]).weight.add_(0.1)
    with pytest.raises(EvidenceError, match="changed blocks below"):
        kept.states.refuse_other(original, edited, some)
    with pytest.raises(EvidenceError, match="Keep the strangers anew"):
        kept.states.refuse_other(edited, edited, some)


def test_damage_and_exchange_are_seen(place, three, tmp_path) -> None:
    bring(place, three)
    sha256 = (kept_strangers(place) or pytest.fail("nothing kept"))[0]
    states = place.artefacts.read_in(sha256, STATES)
    path = next(
        path for path in (place.path / "artefacts").rglob("*") if path.is_file() and path.read_bytes() == states
    )
    path.write_bytes(states[:-4] + b"\0\0\0\1")
    with pytest.raises(DamagedWorkspaceError, match="damaged"):
        workspace_strangers(place)
    again = woven.write(tmp_path / "again", range(20, 22), train=2, test=2)
    bring(place, again, by_path=True)
    assert (workspace_strangers(place) or pytest.fail("nothing kept")).states is None
    (again / "train/weave 20/0.png").write_bytes((again / "train/weave 20/1.png").read_bytes())
    with pytest.raises(DamagedWorkspaceError, match="others than those that were kept"):
        workspace_strangers(place)


def test_a_class_of_the_model_is_no_stranger(place, toy_data_folder) -> None:
    with pytest.raises(EvidenceError, match="'amber' is one of its classes"):
        bring(place, toy_data_folder)
    assert kept_strangers(place) is None


def test_a_method_that_edits_below_the_states_is_refused_before_it_runs(
    place, three, accepted, toy_data_folder
) -> None:
    bring(place, three)
    request = accepted(place, "amber")
    asked = RunOptions(
        str(toy_data_folder), method="neg-grad+", settings={"max_steps": 1, "epochs": 1, "last_blocks": 0}
    )
    (outcome,) = run_waiting(place, asked)
    assert "edits from block 0 on" in outcome.why
    assert "--by-path" in outcome.why
    assert place.request(request).state == State.FAILED


def test_what_lacks_evidence_is_not_tried_deeper_but_told_what_to_bring(
    make_place, accepted, toy_data_folder, three
) -> None:
    """The closed form has three depths; none of them brings strangers. New ones open the request again."""
    place = make_place(FEW)
    request = accepted(place, "amber")
    (outcome,) = run_waiting(place, RunOptions(str(toy_data_folder), method="closed-form", settings={"depth": "fast"}))
    judged = outcome.judged
    assert judged is not None
    assert judged.outcome == "not_enough_evidence"
    assert judged.strangers is None
    assert "20 classes or more" in judged.advice
    assert "expunge add-strangers" in judged.advice
    assert [row.role for row in place.artefact_records(request)].count("attempt") == 1
    assert "20 classes or more" in (place.moves(request)[-1].reason or "")

    bring(place, three)
    assert reopen(place, JANE) == (request,)
    assert reopen(place, JANE) == ()
    (outcome,) = run_waiting(place, RunOptions(str(toy_data_folder), method="closed-form", settings={"depth": "fast"}))
    judged = outcome.judged
    assert judged is not None
    assert judged.outcome == "not_enough_evidence"
    assert any("too few strangers to say (3, 20 needed for one class)" in reason for reason in judged.reasons)
    assert "there are 3, and 20 are needed" in judged.advice
    assert judged.strangers is not None
    assert (judged.strangers.count, judged.strangers.finding) == (3, "too_few")


def test_verdicts_that_a_deeper_edit_can_better() -> None:
    outcomes = ("erased", "not_erased", "harm_too_large", "hole_shows", "not_enough_evidence")
    assert [goes_on(outcome) for outcome in outcomes] == [False, True, True, False, False]


def test_the_second_closed_form_has_rungs_by_depth(toy_model_folder) -> None:
    model = load(toy_model_folder, device="cpu")
    first = make_method("closed-form++", settings={"depth": "fast"})
    assert [getattr(method, "depth", "") for method in ladder(first, model)] == [
        "fast",
        "default",
    ]  # 1 and 2 of 3 blocks; 2 again
    assert len(ladder(make_method("closed-form++", settings={"depth": "thorough"}), model)) == 1


def test_the_certificate_says_beside_whom_and_names_nobody(make_place, approved, three) -> None:
    """Old bytes do not change where nobody brought strangers."""
    place = make_place(UNNAMED)
    plain = approved(place, "blue")
    release(place, plain, JANE)
    said = verify(certificate_text(place, plain)).statement.predicate
    assert said.strangers is None
    assert b'"strangers":{' not in said.to_bytes()
    judged = newest(place, plain, Judgement) or pytest.fail("not judged")
    assert b'"strangers":' not in judged[1].to_bytes()
    assert b'"advice":' not in judged[1].to_bytes()
    bring(place, three)
    request = approved(place, "coral")
    release(place, request, JANE)
    said = verify(certificate_text(place, request)).statement.predicate
    record = (kept_strangers(place) or pytest.fail("nothing kept"))[1]
    assert said.strangers is not None
    assert (said.strangers.count, said.strangers.sha256) == (3, record.sha256)
    assert "strangers" not in said.scorecard
    assert not any(name.encode() in said.to_bytes() for name in (*toy.CLASSES, "weave"))


def test_known_words_are_left_out_where_classes_are_not_named() -> None:
    from expunge.lifecycle.certificate import _beside
    from expunge.workspace.pseudonyms import Pseudonyms

    facts = StrangersFacts(count=24, images=(5, 5), sha256=None, finding="known", words="still known: (most amber)")
    hidden = Pseudonyms(b"k" * 32)
    assert _beside(facts, None) == facts
    told = _beside(facts, hidden)
    assert told is not None
    assert told.words == "still known"


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own model of twelve kinds of patches, its data, and strangers: enough, too few, of another kind."""
    root = tmp_path_factory.mktemp("own")
    woven.write_model(root / "model")
    woven.write(root / "data", range(woven.KNOWN))
    strangers = range(woven.KNOWN, woven.KNOWN + woven.STRANGERS)
    woven.write(root / "strangers", strangers, seed=1)
    woven.write(root / "few", strangers[:8], seed=1)
    woven.write(root / "noise", range(50, 74), draw=woven.noise, seed=1)
    return root


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs a command and returns its exit code and what it printed, unwrapped."""
    monkeypatch.setenv("EXPUNGE_ACTOR", "jane")
    monkeypatch.chdir(tmp_path)

    def go(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    return go


MEASURES = "forgetting,rows-in-place,strangers"


@pytest.mark.slow
def test_the_default_policy_is_honest_about_a_users_own_model(own, call) -> None:
    """No oracle. The untouched model and the head mask still know; the default edit gets the verdict of its words."""
    data, name = own / "data", "weave 01"

    def verdict(after: Path, strangers: str | None, out: str) -> tuple[dict, dict, str]:
        beside = ("--strangers", own / strangers) if strangers else ()
        given = ("--data", data, "--forgotten", name, "--measures", MEASURES, "--out", out, *beside)
        code, printed = call("measure", own / "model", after, *given)
        found, card = (json.loads(Path(out, f"{file}.json").read_text()) for file in ("verdict", "scorecard"))
        assert code == (0 if found["outcome"] == "erased" else 3)
        return found, card, printed

    untouched, card, printed = verdict(own / "model", "strangers", "untouched")
    assert untouched["outcome"] == "not_erased"
    assert card["strangers"]["finding"] == "known"
    assert "still known" in printed

    assert (
        call("forget", own / "model", "--data", data, "--request", name, "--method", "head-mask", "--out", "mask")[0]
        == 0
    )
    masked, card, printed = verdict(Path("mask/model"), "strangers", "masked")
    assert masked["outcome"] == "not_erased"
    assert card["strangers"]["finding"] == "known"

    asked = ("--data", data, "--request", name, "--method", "closed-form++")
    assert call("forget", own / "model", *asked, "--out", "edit")[0] == 0
    judged, card, printed = verdict(Path("edit/model"), "strangers", "judged")
    finding = card["strangers"]["finding"]
    assert card["strangers"]["words"] in printed
    outcomes = {"innocent": "erased", "known": "not_erased", "hole": "hole_shows"}
    assert judged["outcome"] == outcomes[finding]

    for strangers, words in (
        ("few", "there are 8, and 20 are needed"),
        ("noise", "Bring strangers of the kind of the model's own classes"),
        (None, "Bring strangers (--strangers DIR): 20 classes or more"),
    ):
        found, card, printed = verdict(Path("edit/model"), strangers, f"beside-{strangers}")
        assert found["outcome"] == "not_enough_evidence"
        assert words in printed


@pytest.mark.slow
def test_from_init_with_strangers_to_a_verified_certificate(own, call, monkeypatch, tmp_path) -> None:
    """Strangers come with the workspace, leave no photo in it, and stand in the certificate."""
    policy = ("--policy", "not-to-be-found-again")
    code, printed = call("init", "erasures", "--model", own / "model", "--strangers", own / "strangers", *policy)
    assert (code, "strangers: 24 classes, 288 + 384" in printed) == (0, True), printed
    assert not [
        path for path in (tmp_path / "erasures").rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x89PNG"
    ]
    monkeypatch.chdir(tmp_path / "erasures")
    assert "strangers: 24 classes" in call("status")[1]
    assert call("submit", "--target", "weave 01", "--images", own / "data/train/weave 01")[0] == 0
    request = json.loads(call("list", "--json")[1])[0]["id"]
    call("approve", request)
    code, printed = call("run", "--once", "--data", own / "data", "--method", "closed-form++")
    assert (code, "approved, verdict erased" in printed) == (0, True), printed
    code, printed = call("release", request)
    assert code == 0, printed
    assert call("certificate", request, "--out", "c.json", "--html", "c.html")[0] == 0
    code, printed = call("verify", "c.json", "--key", "keys/ledger.pub", "--model", "releases/0002/model")
    assert (code, "verified" in printed) == (0, True)
    said = verify(Path("c.json").read_text()).statement.predicate.strangers
    assert said is not None
    assert (said.count, said.images) == (24, (12, 16))
    assert said.finding in ("innocent", "hole")
    assert said.words in " ".join(Path("c.html").read_text().split())
    assert call("log", "verify", "--key", "keys/ledger.pub")[0] == 0
    assert call("status", "--check")[0] == 0


@pytest.mark.slow
def test_strangers_of_a_running_workspace_open_what_lacked_evidence(own, call, monkeypatch, tmp_path) -> None:
    """The head mask is left open by the first look, and told from strangers by the second."""
    rules = FEW.replace('when = "no_oracle"', 'when = "no_oracle"\ncontrol = true')
    (tmp_path / "rules.toml").write_text(rules)
    call("init", "erasures", "--model", own / "model", "--policy", "rules.toml")
    monkeypatch.chdir(tmp_path / "erasures")
    call("submit", "--target", "weave 01", "--images", own / "data/train/weave 01")
    request = json.loads(call("list", "--json")[1])[0]["id"]
    call("approve", request)
    code, printed = call("run", "--data", own / "data", "--method", "head-mask")
    assert (code, "Bring strangers (expunge add-strangers SOURCE): 20 classes or more" in printed) == (3, True), printed
    code, printed = call("add-strangers", own / "strangers")
    assert (code, f"{request}: accepted" in printed) == (0, True), printed
    code, printed = call("run", "--data", own / "data", "--method", "head-mask")
    assert (code, "verdict not erased" in printed, "strangers_known_p at least 0.05: failed" in printed) == (
        3,
        True,
        True,
    )
