"""From a submission to a certificate and back, on a detector."""

import hashlib
import json
from pathlib import Path

import pytest

from expunge.adapters import Edit, EditStack
from expunge.errors import DamagedWorkspaceError, IntakeError, OnnxError, ReleaseError
from expunge.ledger import check, read_public, verify
from expunge.lifecycle import RunOptions, certificate_text, history, release, rollback, run_waiting
from expunge.lifecycle._material import gather
from expunge.lifecycle._records import Attempt, recorded
from expunge.lifecycle._recovery import releases_of
from expunge.lifecycle.applied import applied_edits, pristine
from expunge.release import Releases
from expunge.vision.detection import DetectionModel, load_detector
from expunge.workspace import Original, State, Workspace
from tests.lifecycle.conftest import JANE
from tests.lifecycle.detection.conftest import STRICT
from tests.lifecycle.detection.scenes_folder import COUNTS, HOLDS
from tests.workspace.tools import assert_sound


def bring(place: Workspace, request: str, asked: RunOptions) -> None:
    run_waiting(place, asked)
    assert place.request(request).state == State.APPROVED, place.moves(request)[-1].reason


def test_an_edit_is_released_certified_and_undone(place, accepted, asked) -> None:
    request = accepted(place, "bee")
    assert place.request(request).images == 0
    (outcome,) = run_waiting(place, asked)
    assert outcome.judged is not None
    assert outcome.judged.erased, outcome.judged.reasons
    assert run_waiting(place, asked) == []

    done = release(place, request, JANE)
    assert done.request.destroyed
    model = load_detector(done.folder)
    alone = pristine(place)
    assert isinstance(alone, DetectionModel)
    EditStack(alone).push(Edit(masked=(1,)))
    assert model.digest() == done.release.weights_after == alone.digest()
    assert json.loads((done.folder.parent / "release.json").read_text())["task"] == "detection"
    assert_sound(place)

    key = read_public((place.path / "keys" / "ledger.pub").read_text())
    text = certificate_text(place, request)
    statement = verify(text, key).statement
    assert statement.digest_of("model-before") == place.settings.model.sha256
    assert statement.digest_of("model-after") == model.digest()
    said = statement.predicate
    assert (said.verdict.outcome, said.method.name, said.scorecard["task"]) == ("erased", "head-mask", "detection")
    by_role = {facts.role: facts for facts in said.data}
    holding = [sum(1 in HOLDS[i] for i in range(count)) for count in COUNTS.values()]
    counted = {role: facts.count for role, facts in by_role.items()}
    assert counted == {"forget": holding[0], "retain": 6, "validation": 3, "test": 6}
    assert len(said.data) == 4

    back = rollback(place, request, JANE, "withdrawn")
    original = pristine(place)
    assert back.release.weights_after == place.settings.model.sha256
    restored = load_detector(back.folder)
    assert restored.digest() == original.digest()
    weights = original.module.state_dict()
    assert all(value.equal(weights[name]) for name, value in restored.module.state_dict().items())
    assert place.request(request).state == State.ROLLED_BACK
    assert_sound(place)
    with place.ledger_storage() as storage:
        assert check(storage, key).ok
    assert verify(text, key).statement == statement


def test_two_requests_stand_on_each_other(place, accepted, asked) -> None:
    first = accepted(place, "ant")
    bring(place, first, asked)
    second = accepted(place, "cat")
    bring(place, second, asked)
    release(place, first, JANE)
    point = release(place, second, JANE).point
    assert [one.requests for one in point.earlier] == [(first,), (second,)]
    assert [one.classes for one in point.earlier] == [1, 1]
    assert [one.n for one in point.earlier] == [3, 3]  # objects in the test scenes
    assert (point.task, point.acc_o, point.n) == ("detection", 0.0, 3)
    alone = pristine(place)
    assert isinstance(alone, DetectionModel)
    EditStack(alone).push(Edit(masked=(2,)))
    assert rollback(place, first, JANE, "withdrawn").release.weights_after == alone.digest()
    assert [one.edits for one in history(place)] == [1, 2, 1]
    card = verify(certificate_text(place, second)).statement.predicate.scorecard
    assert (card["forgotten"], card["earlier"]) == (["cat"], ["ant"])
    assert_sound(place)


def test_a_strict_policy_tries_deeper_settings_then_leaves_it_to_a_person(make_place, accepted, scenes_folder) -> None:
    place = make_place(STRICT)
    request = accepted(place, "bee")
    quick = {"last_blocks": 1, "max_steps": 1, "epochs": 1, "batch_size": 2}
    (outcome,) = run_waiting(place, RunOptions(str(scenes_folder), "gs-lora", settings=quick))
    assert outcome.judged is not None, outcome.why
    assert place.request(request).state == State.MEASURED
    tried = [one.settings["last_blocks"] for _, one in reversed(recorded(place, request, Attempt))]
    assert tried == [1, 2, 0]
    place.move(request, State.APPROVED, JANE)
    with pytest.raises(ReleaseError, match="prototype_relearning_1"):
        release(place, request, JANE)
    assert applied_edits(place, offered=True) == ()
    assert releases_of(place).current() is None


def test_pictures_are_refused(place, scenes_folder: Path) -> None:
    with pytest.raises(IntakeError, match="pictures alone do not say"):
        place.submit(["bee"], scenes_folder / "train", JANE)
    assert place.requests() == ()
    assert not list((place.path / "quarantine").iterdir())


def test_a_classifier_needs_pictures(tmp_path: Path) -> None:
    with (
        Workspace.create(tmp_path / "place", Original(source="zoo:faces"), actor=JANE) as place,
        pytest.raises(IntakeError, match="--images DIR"),
    ):
        place.submit(["s01"], None, JANE)


def test_the_wrong_kind_of_data_fails_with_one_reason(place, accepted, tmp_path: Path) -> None:
    (tmp_path / "images" / "train" / "bee").mkdir(parents=True)
    request = accepted(place, "bee")
    (outcome,) = run_waiting(place, RunOptions(str(tmp_path / "images"), "head-mask"))
    assert place.request(request).state == State.FAILED
    assert "instances_train.json" in outcome.why


def test_scenes_without_the_class_fail_with_their_reason(place, accepted, scenes_folder: Path, tmp_path: Path) -> None:
    lacking = tmp_path / "coco"
    for path in sorted(scenes_folder.rglob("*.*")):
        (lacking / path.parent.name).mkdir(parents=True, exist_ok=True)
        (lacking / path.parent.name / path.name).write_bytes(path.read_bytes())
    file = lacking / "annotations" / "instances_train.json"
    values = json.loads(file.read_text())
    values["annotations"] = [one for one in values["annotations"] if one["category_id"] != 2]
    file.write_text(json.dumps(values))
    accepted(place, "bee")
    (outcome,) = run_waiting(place, RunOptions(str(lacking), "head-mask"))
    assert "'bee'" in outcome.why


def test_what_a_request_learnt_from_has_a_digest_of_pictures_and_boxes(
    place, accepted, asked, scenes_folder: Path
) -> None:
    request = accepted(place, "bee")
    material = gather(place, (request,), ("bee",), place.settings.model.classes, str(scenes_folder), 0)
    values = json.loads((scenes_folder / "annotations" / "instances_train.json").read_text())
    lines = []
    for image in values["images"]:
        boxes = [
            one["bbox"] for one in values["annotations"] if (one["image_id"], one["category_id"]) == (image["id"], 2)
        ]
        if boxes:
            picture = hashlib.sha256((scenes_folder / "train" / image["file_name"]).read_bytes()).hexdigest()
            corners = [["bee", [float(x), float(y), float(x + w), float(y + h)], False] for x, y, w, h in boxes]
            lines.append(hashlib.sha256(json.dumps([picture, corners]).encode()).hexdigest())
    expected = hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()
    assert {facts.role: facts.sha256 for facts in material.facts}["forget"] == expected


def test_another_kind_of_model_in_its_place_is_refused(tmp_path: Path, detector_folder: Path) -> None:
    original = Original(source=str(detector_folder))
    with (
        Workspace.create(tmp_path / "place", original, actor=JANE) as place,
        pytest.raises(DamagedWorkspaceError, match=r"is an object detector; .* made for an image classifier"),
    ):
        pristine(place)


def test_detectors_are_not_exported(place, accepted, detector_folder: Path, tmp_path: Path) -> None:
    request = accepted(place, "bee")
    with pytest.raises(OnnxError, match="without --onnx"):
        release(place, request, JANE, onnx=True)
    model = load_detector(detector_folder)
    pixels = model.prepare([])
    releases = Releases(tmp_path / "releases", load=load_detector)
    with pytest.raises(OnnxError, match="Publish it without"):
        releases.publish(model, (), before=model.digest(), time="2026-11-24T12:00:00Z", onnx_pixels=pixels)
    assert releases.numbers() == ()
