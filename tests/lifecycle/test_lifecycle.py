"""From a submission to a certificate and back, as a library."""

import json
from typing import Any, ClassVar

import pytest
import torch

from expunge.adapters import Edit, EditStack, LowRank
from expunge.errors import FourEyesError, HeldError, ReleaseError, UnlawfulMoveError
from expunge.ledger import check, read_public, verify
from expunge.lifecycle import RunOptions, certificate_text, history, release, rollback, run_waiting
from expunge.lifecycle._material import gather
from expunge.lifecycle._records import Attempt, recorded
from expunge.lifecycle._recovery import releases_of
from expunge.lifecycle._session import Session
from expunge.lifecycle.applied import applied_edits, pristine
from expunge.lifecycle.executor import make_edit
from expunge.methods import HeadMask
from expunge.runs import load
from expunge.workspace import Runner, State
from tests.lifecycle.conftest import FOUR_EYES, JANE, LENIENT, PAUL, STRICT
from tests.lifecycle.test_watch import standing as made_by_hand
from tests.workspace.tools import assert_sound


def roles(place, request) -> list[str]:
    return [row.role for row in place.artefact_records(request)]


def card_of(place, request) -> dict[str, Any]:
    """The scorecard in a request's certificate."""
    return verify(certificate_text(place, request)).statement.predicate.scorecard


def test_an_edit_is_released_certified_and_undone(place, accepted, toy_data_folder) -> None:
    request = accepted(place, "amber")
    (outcome,) = run_waiting(place, RunOptions(str(toy_data_folder)))
    assert outcome.judged is not None
    assert outcome.judged.erased, outcome.judged.reasons
    assert place.request(request).state == State.APPROVED
    assert run_waiting(place, RunOptions(str(toy_data_folder))) == []

    done = release(place, request, JANE)
    assert done.request.state == State.RELEASED
    assert done.request.destroyed
    assert not list((place.path / "quarantine").iterdir())
    model = load(done.folder, device="cpu")
    assert model.digest() == done.release.weights_after != place.settings.model.sha256
    assert_sound(place)

    key = read_public((place.path / "keys" / "ledger.pub").read_text())
    text = certificate_text(place, request)
    statement = verify(text, key).statement
    assert statement.digest_of("model-before") == place.settings.model.sha256
    assert statement.digest_of("model-after") == model.digest()
    assert statement.digest_of("edit") == applied_edits(place)[0].attempt.edit_sha256
    assert statement.predicate.verdict.outcome == "erased"
    assert card_of(place, request)["edited"]["sha256"] == model.digest()
    method = statement.predicate.method
    assert (method.name, method.settings["depth"]) == ("closed-form++", "default")
    by_role = {facts.role: facts for facts in statement.predicate.data}
    assert (by_role["forget"].count, by_role["test"].count) == (10, 36)
    assert by_role["forget"].sha256 == place.request(request).images_sha256

    back = rollback(place, request, JANE, "withdrawn")
    assert back.release.weights_after == place.settings.model.sha256
    assert load(back.folder, device="cpu").digest() == pristine(place).digest()
    assert place.request(request).state == State.ROLLED_BACK
    assert_sound(place)
    with place.ledger_storage() as storage:
        assert check(storage, key).ok
    assert verify(text, key).statement == statement  # it still says what was released then


def test_nothing_personal_is_in_the_certificate(place, approved) -> None:
    request = approved(place, "coral")
    release(place, request, JANE)
    text = certificate_text(place, request) + json.dumps(
        verify(certificate_text(place, request)).statement.model_dump()
    )
    for secret in ("Müller", "M\\u00fcller", "K-4711", "juergen", ".png", "jane", str(place.path), "toy-data"):
        assert secret not in text


def test_a_certificate_need_not_name_anybody(make_place, approved) -> None:
    place = make_place(LENIENT.replace('name = "answers"', 'name = "answers"\nname_targets = false'))
    request = approved(place, "coral")
    release(place, request, JANE)
    statement = verify(certificate_text(place, request)).statement
    text = json.dumps(statement.model_dump())
    assert not any(name in text for name in place.settings.model.classes)
    (target,) = statement.predicate.request.targets
    assert [target.digest] == card_of(place, request)["forgotten"]
    assert target.digest in card_of(place, request)["classes"]
    assert len(set(card_of(place, request)["classes"])) == 6


def test_undoing_the_first_of_two_leaves_the_model_of_the_second_alone(place, approved) -> None:
    first = approved(place, "amber")
    second = approved(place, "blue")
    assert [one.requests for one in applied_edits(place, offered=True)] == [(first,), (second,)]
    release(place, first, JANE)
    released = release(place, second, PAUL)
    assert released.release.number == 3  # the original, the first, both
    assert [one.requests for one in released.point.earlier] == [(first,), (second,)]
    assert released.point.acc_o == 0.0
    alone = pristine(place)
    EditStack(alone).push(Edit(masked=(1,)))
    back = rollback(place, first, JANE, "withdrawn")
    assert back.release.weights_after == alone.digest()
    assert [one.requests for one in back.point.earlier] == [(second,)]
    assert [point.edits for point in history(place)] == [1, 2, 1]
    assert_sound(place)


def test_releasing_out_of_order_measures_the_model_that_is_released(place, approved) -> None:
    first, second = approved(place, "amber"), approved(place, "blue")
    release(place, second, JANE)
    assert roles(place, second).count("scorecard") == 2
    card = card_of(place, second)
    assert card["earlier"] == []
    assert card["edited"]["sha256"] == releases_of(place).load().digest()
    release(place, first, JANE)
    assert card_of(place, first)["earlier"] == ["blue"]
    assert_sound(place)


def test_a_later_edit_starts_from_the_originals_prototypes_and_the_edited_models_states(
    place, accepted, toy_data_folder
) -> None:
    model, seen = pristine(place), []
    name = model.blocks[1].linears[0]
    layer = model.linear(name)
    bend = LowRank(torch.randn(1, layer.in_features), torch.randn(layer.out_features, 1), 0.5)
    amber = made_by_hand(1, Edit(deltas={name: bend}, masked=(0,)))

    class Spy(HeadMask):  # its first block is the last one, above the one that the earlier edit changed
        needs_prototypes: ClassVar[bool] = True

        def forget(self, context, task):
            images = task.forget.load()
            with torch.no_grad():
                whole, old = context.model(context.model.prepare(images)), pristine(place)
                untouched = old(old.prepare(images))
            seen.append((context, context.activations.outputs(task.forget), whole, untouched))
            return super().forget(context, task)

    second = accepted(place, "blue")
    material = gather(place, (second,), ("amber", "blue"), place.settings.model.classes, str(toy_data_folder), 0)
    make_edit(Session(place), (amber,), ("blue",), material, Spy(), seed=0, device="cpu", report=lambda stage: None)
    ((context, states, whole, untouched),) = seen
    assert (whole.embedding - untouched.embedding).abs().max() > 0.1  # the earlier edit shows
    torch.testing.assert_close(states.logits, whole.logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(context.prototypes.values[1], untouched.embedding.mean(0), rtol=1e-4, atol=1e-4)


def test_a_strict_policy_tries_deeper_settings_then_leaves_it_to_a_person(
    make_place, accepted, toy_data_folder
) -> None:
    place = make_place(STRICT)
    request = accepted(place, "amber")
    quick = {"last_blocks": 1, "max_steps": 2, "epochs": 1}
    (outcome,) = run_waiting(place, RunOptions(str(toy_data_folder), "gs-lora++", settings=quick))
    assert outcome.judged is not None
    assert not outcome.judged.erased
    found = place.request(request)
    assert found.state == State.MEASURED
    assert "not_erased" in (place.moves(request)[-1].reason or "")
    tried = [(one.step, one.settings["last_blocks"]) for _, one in reversed(recorded(place, request, Attempt))]
    assert tried == [(0, 1), (1, 2), (2, 0)]
    with pytest.raises(UnlawfulMoveError):
        release(place, request, JANE)
    place.move(request, State.APPROVED, JANE)  # a person may say so; the policy has the last word
    with pytest.raises(ReleaseError, match="linear_probe"):
        release(place, request, JANE)
    assert releases_of(place).current() is None
    assert applied_edits(place, offered=True) == ()
    assert_sound(place)


def test_a_method_with_a_depth_goes_down_by_it(make_place, accepted, toy_data_folder) -> None:
    place = make_place(STRICT)
    request = accepted(place, "amber")
    run_waiting(place, RunOptions(str(toy_data_folder), settings={"depth": "fast"}))
    assert place.request(request).state == State.MEASURED
    tried = [(one.method, one.settings["depth"]) for _, one in reversed(recorded(place, request, Attempt))]
    assert tried == [("closed-form++", "fast"), ("closed-form++", "default")]  # of 3 blocks; thorough would edit 2, too


def test_four_eyes(make_place, accepted, asked) -> None:
    place = make_place(FOUR_EYES)
    request = accepted(place, "amber")
    run_waiting(place, asked)
    assert place.request(request).state == State.MEASURED
    place.move(request, State.APPROVED, JANE)
    with pytest.raises(FourEyesError, match="another person"):
        release(place, request, JANE)
    assert releases_of(place).current() is None
    assert release(place, request, PAUL).request.state == State.RELEASED


def test_together_is_one_edit_and_is_undone_as_one(place, accepted, asked) -> None:
    first, second = accepted(place, "amber"), accepted(place, "blue")
    run_waiting(place, RunOptions(asked.data, asked.method, together=True))
    (edit,) = applied_edits(place, offered=True)
    assert set(edit.requests) == {first, second}
    release(place, first, JANE)
    release(place, second, JANE)
    assert releases_of(place).numbers() == (1, 2)
    with pytest.raises(UnlawfulMoveError, match="--shared"):
        rollback(place, first, JANE, "withdrawn")
    assert set(rollback(place, first, JANE, "withdrawn", shared=True).requests) == {first, second}
    assert releases_of(place).load().digest() == place.settings.model.sha256
    assert_sound(place)


def test_what_cannot_be_done_fails_with_its_reason(place, approved, accepted, asked) -> None:
    approved(place, "amber")
    again = accepted(place, "blue")
    other = place.submit(["amber"], place.path.parent / "photos-of-amber", JANE).id
    place.move(other, State.ACCEPTED, JANE)
    first, second = run_waiting(place, asked)
    assert place.request(again).state == State.APPROVED
    assert place.request(other).state == State.FAILED
    assert "amber" in (first.why or second.why)
    with pytest.raises(UnlawfulMoveError):
        release(place, other, JANE)


def test_holds(place, approved) -> None:
    request = approved(place, "amber")
    with place.transaction() as transaction:
        transaction.hold_all(JANE)
    with pytest.raises(HeldError):
        release(place, request, JANE)
    with place.transaction() as transaction:
        transaction.hold_all(JANE, lift=True)
        transaction.hold_images(request, JANE)
    assert release(place, request, JANE).request.destroyed is None
    assert list((place.path / "quarantine" / request).rglob("*.png"))
    with place.transaction() as transaction:
        transaction.hold_images(request, JANE, lift=True)
    run_waiting(place, RunOptions(method="head-mask"))
    assert place.request(request).destroyed
    assert_sound(place)


def test_a_test_image_that_was_submitted_is_not_measured_on(place, toy_data_folder, asked) -> None:
    request = place.submit(["amber"], toy_data_folder / "test" / "amber", JANE).id
    material = gather(place, (request,), ("amber",), place.settings.model.classes, asked.data, 0)
    assert material.splits.test.counts()[0] == 0
    place.move(request, State.ACCEPTED, JANE)
    (outcome,) = run_waiting(place, asked)
    assert "no test image" in outcome.why
    with Runner(place) as runner:
        assert runner.claim_next() is None


def test_two_edits_that_share_blocks_are_shown(place, accepted, toy_data_folder) -> None:
    asked = RunOptions(str(toy_data_folder), settings={"depth": "fast"})
    first, second = accepted(place, "amber"), accepted(place, "blue")
    run_waiting(place, asked)
    for request in (first, second):
        assert place.request(request).state == State.APPROVED
        point = release(place, request, JANE).point
    (last, *_) = [name for name, moved in point.drift.items() if moved > 0]
    back = rollback(place, first, JANE, "withdrawn")
    assert [(one.request, one.earlier, one.blocks) for one in back.interference] == [(second, first, (last,))]
    alone = pristine(place)
    EditStack(alone).push(applied_edits(place)[0].edit)
    assert back.release.weights_after == alone.digest()


def test_a_fault_is_not_tried_for_ever(place, accepted, asked, monkeypatch) -> None:
    request = accepted(place, "amber")

    def break_down(*args: object, **kwargs: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("expunge.lifecycle.executor.make_edit", break_down)
    with pytest.raises(RuntimeError):
        run_waiting(place, asked)
    assert place.request(request).state == State.FAILED
    assert run_waiting(place, asked) == []
    monkeypatch.undo()
    place.move(request, State.ACCEPTED, JANE)
    run_waiting(place, asked)
    assert place.request(request).state == State.APPROVED
    assert_sound(place)


@pytest.mark.slow
def test_a_release_as_onnx(place, approved) -> None:
    done = release(place, approved(place, "amber"), JANE, onnx=True)
    assert (done.folder / "onnx" / "model.onnx").is_file()
    assert done.release.onnx is not None
    assert done.release.onnx.largest_difference < 1e-4
