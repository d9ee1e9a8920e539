"""What is written about classifiers is what it was before there were detectors: no key says more."""

from expunge.lifecycle.watch import Earlier, Point
from expunge.release.record import make_record
from expunge.workspace import Original

HASH = "0" * 64
NOON = "2026-11-24T12:00:00Z"


def point(**more: object) -> Point:
    values = {
        "time": NOON,
        "model": HASH,
        "edits": 2,
        "acc_r": 90.0,
        "acc_r_original": 91.0,
        "acc_r_mask": 91.0,
        "n": 30,
        "earlier": (),
        "drift": {},
        "seconds": 1.0,
    }
    return Point.model_validate(values | more)


def test_records_of_classifiers_have_no_key_for_a_task() -> None:
    assert set(Original(source="zoo:faces").model_dump()) == {"source", "sha256", "classes"}
    values = {"number": 1, "time": NOON, "previous": None, "weights_before": HASH, "weights_after": HASH, "edits": ()}
    assert '"task"' not in make_record(**values, task=None).to_json()
    assert '"task": "detection"' in make_record(**values, task="detection").to_json()
    earlier = Earlier(requests=("r-1",), accuracy=0.0, n=5)
    assert b"task" not in point(earlier=(earlier,)).to_bytes()
    assert b"classes" not in point(earlier=(earlier,)).to_bytes()


def test_several_edits_are_weighed_by_images_or_by_classes() -> None:
    first, second = (
        {"requests": ("r-1",), "accuracy": 10.0, "n": 30},
        {"requests": ("r-2",), "accuracy": 40.0, "n": 10},
    )
    by_images = point(earlier=(first, second))
    assert by_images.acc_o == (10.0 * 30 + 40.0 * 10) / 40
    by_classes = point(earlier=(first | {"classes": 1}, second | {"classes": 2}), task="detection")
    assert by_classes.acc_o == (10.0 + 2 * 40.0) / 3
