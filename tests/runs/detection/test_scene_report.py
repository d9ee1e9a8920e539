"""The report of a run on a detector: what is drawn, what is said, and that nothing in a name can act."""

import io
import re
from dataclasses import replace

import pytest
import torch
from PIL import Image

from expunge.data import Box, Scene, Scenes
from expunge.errors import EvidenceError
from expunge.evidence import Metrics, render_report
from expunge.evidence.metrics import (
    Baseline,
    Change,
    Groups,
    HeadMask,
    ImagesUsed,
    ModelInfo,
    Parameters,
    RequestMetrics,
)
from expunge.evidence.report import (
    Answers,
    ClassAccuracy,
    Fate,
    FoundBox,
    GroupNorms,
    Report,
    ScenePicture,
)
from expunge.evidence.report._overlay import WIDTH, drawn, shown_states
from expunge.tasks.detection._pictures import boxes_at, chosen_scenes
from expunge.vision.detection import Detections
from tests.evidence.page import Page
from tests.evidence.test_report_safety import HOSTILE
from tests.vision.detection.drawn import box, drawn_scene

CLASSES = ("ant", "bee", "cat")


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


def found(*boxes: tuple[tuple[float, float, float, float], int, float]) -> Detections:
    corners, labels, scores = zip(*boxes, strict=True) if boxes else ((), (), ())
    return Detections(
        torch.tensor(corners).view(-1, 4),
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor(labels, dtype=torch.int64),
        torch.arange(len(labels)),
    )


def fates(boxes: tuple[FoundBox, ...]) -> list[tuple[str, str]]:
    return sorted((one.name, one.fate.value) for one in boxes)


HERE, THERE = (5.0, 5.0, 25.0, 30.0), (30.0, 10.0, 45.0, 35.0)


class TestBoxes:
    """Ant is taken by the first request, bee by the second, cat stays."""

    taken = {"ant": 1, "bee": 2}  # noqa: RUF012
    original = found((HERE, 0, 0.9), (THERE, 2, 0.8))

    def at(self, state: int, now: Detections, *truth: Box) -> list[tuple[str, str]]:
        return fates(boxes_at(drawn_scene(0, *truth), CLASSES, self.original, now, state, self.taken))

    def test_before_any_request(self) -> None:
        assert self.at(0, self.original, box(0)) == [("ant", "named"), ("cat", "stays")]

    def test_a_box_that_is_gone_leaves_a_ghost(self) -> None:
        assert self.at(1, found((THERE, 2, 0.8)), box(0)) == [("ant", "ghost"), ("cat", "stays")]

    def test_a_box_that_is_still_there_leaves_none(self) -> None:
        assert self.at(1, self.original, box(0)) == [("ant", "still"), ("cat", "stays")]

    def test_another_name_at_the_same_place(self) -> None:
        now = found(((6.0, 5.0, 25.0, 30.0), 1, 0.7))
        assert self.at(1, now, box(0)) == [("ant", "ghost"), ("bee", "stray")]
        assert self.at(1, now, box(0), box(1)) == [("ant", "ghost"), ("bee", "named")]  # there truly is a bee

    def test_corners_are_shares_of_the_picture(self) -> None:
        one = boxes_at(drawn_scene(0), CLASSES, self.original, found((HERE, 2, 0.5)), 0, self.taken)[0]
        assert one.corners == pytest.approx((5 / 50, 5 / 40, 25 / 50, 30 / 40))


def test_scenes_are_chosen_by_their_place() -> None:
    scenes = [drawn_scene(0, box(2)), drawn_scene(1, box(1), box(0)), drawn_scene(2, box(0)), drawn_scene(3, box(1))]
    test = Scenes(tuple(scenes), CLASSES)
    assert chosen_scenes(test, {"ant": 1, "bee": 2}) == (1, 3, 0)
    assert chosen_scenes(test, {"bee": 1}) == (1, 0)


def test_many_requests_show_few_scenes() -> None:
    names = tuple(f"k{i}" for i in range(60))
    scenes: list[Scene] = [drawn_scene(i, box(i)) for i in range(60)]
    chosen = chosen_scenes(Scenes(tuple(scenes), names), {f"k{i}": i + 1 for i in range(50)})
    assert chosen == (0, 7, 14, 21, 28, 35, 42, 50)  # seven requests, evenly, and the first scene that keeps all


def picture(*states: tuple[FoundBox, ...], objects: tuple[tuple[str, int | None], ...] = (("ant", 1),)) -> ScenePicture:
    return ScenePicture(jpeg(), 200, 100, "scene 7", objects, states)


def test_few_states_are_all_shown_and_of_many_the_turns() -> None:
    assert shown_states(picture(*[()] * 5)) == (0, 1, 2, 3, 4)
    assert shown_states(picture(*[()] * 31, objects=(("a", 9), ("b", None), ("c", 4)))) == (0, 4, 9, 30)
    assert shown_states(picture(*[()] * 31, objects=(("a", 30),))) == (0, 30)


def test_boxes_are_drawn_to_scale_and_labels_stay_inside() -> None:
    boxes = tuple(
        FoundBox((x, 0.0, x + 0.5, 1.2), f"a class with quite a long name {i}", 0.75, Fate.STAYS)
        for i, x in enumerate((-0.1, 0.2, 0.5, 0.7))
    )
    state = drawn(picture(boxes, ())).states[0]
    by_title = sorted(state.boxes, key=lambda one: one.title)
    assert by_title[1].box == (44.0, 0.0, 110.0, 110.0)  # 220 wide, 110 high; cut at the lower edge
    assert by_title[0].box[0] == 0.0
    assert by_title[0].text == "a class with qu… .75"
    for one in state.boxes:
        left, top, width, height = one.chip
        assert left >= 0
        assert left + width <= WIDTH
        assert 0 <= top <= 110 - height


def test_labels_of_one_place_do_not_hide_each_other() -> None:
    boxes = tuple(FoundBox((0.1, 0.2, 0.6, 0.9), name, 0.5, Fate.STAYS) for name in CLASSES)
    chips = [one.chip for one in drawn(picture(boxes, ())).states[0].boxes]
    for i, a in enumerate(chips):
        for b in chips[:i]:
            apart = a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]
            assert apart


def make(classes: tuple[str, ...] = CLASSES, title: str = "A detector forgets") -> Report:
    change = Change(before=90.0, after=12.34, n=17, ci95=(5.0, 20.5))
    request = RequestMetrics(
        classes=(classes[0],),
        images=ImagesUsed(forget=3, retain=9),
        seconds=2.5,
        acc_f=change,
        acc_r=Change(before=91.0, after=92.25, n=31, ci95=(88.0, 95.0)),
        acc_o=None,
        acc_m=None,
        h=84.5,
        head_mask=HeadMask(acc_f=0.0, acc_r=91.0, h=90.5),
        groups=Groups(total=5, kept=2),
        parameters=Parameters(edited=64, total=1000),
        bytes=256,
    )
    metrics = Metrics(
        task="detection",
        unit="AP50",
        model=ModelInfo(name="zoo:scenes", sha256="0a" * 32, classes=classes),
        method="head-mask",
        seed=3,
        baseline=Baseline(acc=90.5, n=48),
        requests=(request,),
    )
    before = (FoundBox((0.1, 0.1, 0.5, 0.6), classes[0], 0.83, Fate.NAMED),)
    after = (
        FoundBox((0.1, 0.1, 0.5, 0.6), classes[0], 0.83, Fate.GHOST),
        FoundBox((0.1, 0.1, 0.5, 0.55), classes[1], 0.61, Fate.STRAY),
    )
    return Report(
        title=title,
        metrics=metrics,
        classes=tuple(
            ClassAccuracy(name, 16, 90.0, (10.0 if i == 0 else 92.0,), None if i else 1)
            for i, name in enumerate(classes)
        ),
        groups=GroupNorms((), ()),
        examples=(),
        command="expunge demo --task detection",
        environment={"Python": "3.11"},
        created="2026-11-24T16:00:00+00:00",
        scenes=(picture(before, after, objects=((classes[0], 1), (classes[2], None))),),
        answers=Answers(threshold=0.43, objects=17, renamed=4, silent=11),
        forgotten=change,
    )


def test_the_page_speaks_of_ap50_and_objects() -> None:
    text = Page(render_report(make())).text
    assert "AP50 on the forgotten class is now 12.3\u00a0%; before, it was 90.0\u00a0%." in text
    assert "On the 2 classes that stay, AP50 rose from 91.0 to 92.2\u00a0%." in text
    assert "on 17 objects" in text
    assert "bootstrap over scenes" in text
    assert "Wilson" not in text
    assert not re.search(r"\bAcc\b|\baccuracy\b|\bAccuracy\b", text)
    flat = " ".join(text.split())
    assert "score is at least 0.43" in flat
    assert (
        "At the 17 true objects of forgotten classes in all test scenes, the detector now puts a box under another "
        "name 4 times, and no box 11 times." in flat
    )


def test_every_box_is_drawn_over_each_state() -> None:
    html = render_report(make())
    page = Page(html)
    assert [image["alt"] for image in page.all("img")] == ["Test scene scene 7"] * 2
    overlays = [svg for svg in page.all("svg") if "boxes" in (svg.get("class") or "") and svg.get("role") == "img"]
    assert [svg["aria-label"] for svg in overlays] == [
        "Before: ant",
        "After request 1: gone: ant; bee where a forgotten class was",
    ]
    drawn_as = [a["class"] for a in page.all("g") if a.get("aria-hidden") is None]
    assert {"named", "ghost", "stray"} <= set(drawn_as)
    assert "ant .83" in html
    assert "<title>bee, score 0.61</title>" in html


def test_nothing_is_loaded_and_nothing_runs() -> None:
    html = render_report(make())
    page = Page(html)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "embed", "form", "use"}
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("data:image/jpeg;base64,", "#"))
    assert not re.search(r"https?:|url\(|@import", html)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    report = make((name, "bee", "cat"))
    report = replace(report, scenes=(replace(report.scenes[0], name=name),))
    page, plain = Page(render_report(report)), Page(render_report(make()))
    for tag in ("script", "img", "svg", "style", "bdi", "g", "rect"):
        assert len(page.all(tag)) == len(plain.all(tag))
    assert page.text.count(name) >= 4
    assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]


def test_a_screen_reader_finds_its_way() -> None:
    page = Page(render_report(make()))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(
        a.get("aria-hidden") == "true" or (a.get("role") == "img" and a.get("aria-label")) for a in page.all("svg")
    )
    assert all(a.get("role") == "region" for _, a in page.elements if a.get("class") == "scroll")


def test_parts_that_do_not_fit_are_refused() -> None:
    report = make()
    with pytest.raises(EvidenceError, match="states of scene 'scene 7'"):
        replace(report, scenes=(picture(()),))
    with pytest.raises(EvidenceError, match="Hand over both"):
        replace(report, answers=None)
    with pytest.raises(EvidenceError, match="JPEG bytes"):
        replace(report.scenes[0], jpeg=b"GIF89a")
