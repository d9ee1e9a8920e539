"""The closed form's second version for detectors: what the polish wants, by hand, and that it gets it."""

import dataclasses

import pytest
import torch

from expunge.adapters import EditStack
from expunge.errors import MethodError
from expunge.methods.detection._scene_polish import SceneSaid, going, said_of, staying
from expunge.methods.detection._scene_rows import Located, SceneStates
from expunge.methods.detection.closed_form import ClosedForm
from expunge.methods.detection.closed_form_pp import ClosedFormPlusPlus
from expunge.vision.detection import DetectionModel
from tests.methods.detection.little import TRAIN, context_of, little_task, made

NOWHERE = SceneStates(torch.zeros(2, 1), (), 0)


def said(logits: list[list[list[float]]], rows: list[tuple[int, int, int, int]]) -> SceneSaid:
    """Logits by scene and query, which are features, too; rows of scene, query, label, object."""
    values = torch.tensor(logits)
    columns = (torch.tensor(column) for column in zip(*rows, strict=True))
    return SceneSaid(values, values, Located(*columns))


OTHERS = said(
    [[[1.0, 5.0, 0.0], [3.0, 5.0, 0.0]], [[5.0, 9.0, 0.0], [9.0, 9.0, 9.0]]], [(0, 0, 2, 0), (0, 1, 2, 1), (1, 0, 2, 0)]
)
"""Row 0 says 3 of those who stay on average; the last query stands at nobody."""

BEFORE = said([[[7.0, 0.0, 0.0], [8.0, 8.0, 8.0]], [[9.0, 2.0, 0.0], [1.0, 0.0, 0.0]]], [(0, 0, 0, 0), (1, 0, 0, 0)])


def test_a_row_is_to_say_of_the_class_what_it_says_of_others() -> None:
    goal = going(NOWHERE, BEFORE, BEFORE, OTHERS, margin=0.0)
    assert goal.wanted.tolist() == [3.0, 3.0]
    assert goal.scale.tolist() == [5.0, 5.0]  # the class's objects stood at 8 on average, 5 above
    assert going(NOWHERE, BEFORE, BEFORE, OTHERS, margin=0.2).wanted.tolist() == [2.0, 2.0]


def test_a_row_that_never_stood_out_is_measured_by_what_it_says_of_others() -> None:
    low = said([[[2.0, 0.0, 0.0], [8.0, 8.0, 8.0]]], [(0, 0, 0, 0)])
    assert going(NOWHERE, low, low, OTHERS, margin=0.0).scale.tolist() == pytest.approx([(8 / 3) ** 0.5])


def test_how_far_off_by_hand() -> None:
    solved = said(
        [[[7.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[9.0, 2.0, 0.0], [0.0, 0.0, 0.0]]], [(0, 0, 0, 0), (1, 0, 0, 0)]
    )
    goal = going(NOWHERE, BEFORE, solved, OTHERS, margin=0.0)
    both = torch.tensor([0, 1])
    row, moved = goal.losses(both, BEFORE.features, BEFORE.logits)
    assert float(row) == pytest.approx((4**2 + 6**2) / 2 / 25)
    assert float(moved) == pytest.approx(1 / 3 / 2)  # one number of three is 1 off, at one object of two
    alone, _ = goal.losses(both[1:], BEFORE.features[1:], BEFORE.logits[1:])
    assert float(alone) == pytest.approx(36 / 25)
    as_wanted = BEFORE.logits.clone()
    as_wanted[:, 0, 0] = 3.0
    assert float(goal.losses(both, solved.features, as_wanted)[0]) == 0


def test_classes_count_alike_and_scenes_without_an_object_for_nothing() -> None:
    two = said([[[7.0, 0.0, 0.0], [8.0, 6.0, 0.0]], [[9.0, 2.0, 0.0], [1.0, 0.0, 0.0]]], [
        (0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 1, 1),
    ])  # fmt: skip
    assert going(NOWHERE, two, two, OTHERS, margin=0.0).weights.tolist() == [0.5, 0.5, 1.0]
    empty = said([[[7.0, 0.0, 0.0]], [[9.0, 2.0, 0.0]]], [(0, 0, 0, 0)])
    goal = going(NOWHERE, empty, empty, OTHERS, margin=0.0)
    assert float(goal.losses(torch.tensor([1]), empty.features[1:], empty.logits[1:])[0]) == 0


def test_what_stays_is_held_at_objects_and_elsewhere() -> None:
    rest = staying(NOWHERE, OTHERS, background=0.5)
    assert rest.weights.flatten().tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.5])
    both = torch.tensor([0, 1])
    assert float(rest.loss(both, OTHERS.features)) == 0
    moved = OTHERS.features.clone()
    moved[1, 1] += 3.0
    assert float(rest.loss(both, moved)) == pytest.approx(0.5 * 9 / 1.5)


@pytest.mark.parametrize(("kind", "steps", "rate"), [("two_stage", 30, 1e-3), ("plain", 100, 1e-2)])
def test_the_row_tells_less_than_after_the_closed_form(
    kind: str, steps: int, rate: float, request: pytest.FixtureRequest
) -> None:
    model: DetectionModel = request.getfixturevalue(kind)
    task = little_task()
    method = ClosedFormPlusPlus(steps=steps, rate=rate, margin=0.0, hold=0.0, keep=0.0, energy=1.0)
    context = context_of(model, method.first_block(model))
    with torch.no_grad():
        forget, retain = method.states(context, task)
    before = said_of(model, forget)
    goal = going(forget, before, before, said_of(model, retain), 0.0)
    everything = torch.arange(len(forget))

    def off(made_by: ClosedForm) -> float:
        stack = EditStack(model)
        stack.push(dataclasses.replace(made_by.forget(context, task), masked=()))
        try:
            now = said_of(model, forget)
        finally:
            stack.undo()
        return float(goal.losses(everything, now.features, now.logits)[0])

    assert off(method) < off(ClosedForm())


def test_without_steps_it_is_the_closed_form(two_stage: DetectionModel) -> None:
    context = context_of(two_stage, ClosedForm().first_block(two_stage))
    found, expected = (one.forget(context, little_task()) for one in (ClosedFormPlusPlus(steps=0), ClosedForm()))
    assert found.masked == expected.masked == (0,)
    for name, low in expected.deltas.items():
        assert torch.equal(found.deltas[name].delta(), low.delta())


def test_refuses_what_has_no_box(two_stage: DetectionModel) -> None:
    task = dataclasses.replace(little_task(), forget=TRAIN.select([6]))
    with pytest.raises(MethodError, match=r"no scene of what .* holds a box"):
        ClosedFormPlusPlus().forget(context_of(two_stage, ClosedFormPlusPlus().first_block(two_stage)), task)


@pytest.mark.parametrize("bad", [{"steps": -1}, {"rate": 0.0}, {"size": 0}, {"margin": -0.1}, {"hold": -1.0}])
def test_refuses_settings_that_cannot_work(bad: dict[str, object]) -> None:
    with pytest.raises(MethodError, match=next(iter(bad))):
        made("closed-form++", **bad)
