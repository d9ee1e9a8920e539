"""The closed form for detectors: its rows by hand, what an edit does to queries, and the cut it goes on from."""

import dataclasses

import pytest
import torch

from expunge.adapters import EditStack
from expunge.errors import MethodError
from expunge.methods._sites import Site, find_sites
from expunge.methods.detection._scene_rows import Located, SceneSeen, scene_gain, see, states_of
from expunge.methods.detection._scene_targets import TokenTarget, attention, query_target
from expunge.methods.detection.closed_form import ClosedForm
from expunge.vision.detection import DetectionModel
from tests.methods.detection.little import TRAIN, context_of, little_model, little_task, made
from tests.vision.detection.detectors import KINDS


def seen(outputs: list[list[list[float]]], rows: list[tuple[int, int, int, int]]) -> SceneSeen:
    """Outputs by scene and query; rows of scene, query, label, object."""
    values = torch.tensor(outputs)
    columns = (torch.tensor(column) for column in zip(*rows, strict=True))
    return SceneSeen(values[..., :1], values, Located(*columns))


BEFORE = seen(
    [[[1.0, 0.0], [3.0, 0.0], [9.0, 9.0]], [[5.0, 2.0], [7.0, 7.0], [1.0, 5.0]]],
    [(0, 0, 1, 0), (0, 1, 1, 1), (1, 0, 2, 0)],
)


def test_the_aim_is_between_the_classes_that_stay_and_nothing() -> None:
    # Class 1 has the mean (2, 0), class 2 (5, 2): together (3.5, 1). Free are (9, 9), (7, 7) and (1, 5): (17/3, 7).
    assert query_target(BEFORE, background=1.0, silence=0.0).mean.tolist() == pytest.approx([3.5, 1.0])
    assert query_target(BEFORE, background=1.0, silence=1.0).mean.tolist() == pytest.approx([17 / 3, 7.0])
    assert query_target(BEFORE, background=1.0, silence=0.25).mean.tolist() == pytest.approx(
        [0.75 * 3.5 + 17 / 12, 2.5]
    )


def test_every_class_is_moved_by_its_own_mean_and_counts_alike() -> None:
    aim = query_target(BEFORE, background=1.0, silence=0.0)
    gone = seen([[[1.0, 1.0], [3.0, 1.0], [0.0, 0.0]]], [(0, 0, 4, 0), (0, 1, 4, 1), (0, 2, 0, 2)])
    wanted = aim.away(gone)
    assert wanted.changes.tolist() == [[1.5, 0.0], [1.5, 0.0], [3.5, 1.0]]
    assert wanted.weights.tolist() == pytest.approx([0.25, 0.25, 0.5])


def test_an_object_is_given_back_what_it_lost_though_another_query_answers_for_it() -> None:
    aim = query_target(BEFORE, background=0.5, silence=0.3)
    now = seen(
        [[[2.0, 1.0], [1.0, 0.0], [9.0, 9.0]], [[7.0, 7.0], [5.0, 2.0], [1.0, 5.0]]],
        [(0, 1, 1, 0), (0, 0, 1, 1), (1, 1, 2, 0)],  # both queries of scene 0 have changed places, so has scene 1's
    )
    wanted = aim.back(now)
    assert wanted.changes[:3].tolist() == [[0.0, 0.0], [1.0, -1.0], [0.0, 0.0]]
    assert wanted.changes[3:].count_nonzero() == 0
    assert wanted.weights[:3].sum() == pytest.approx(1.0)
    assert wanted.weights[3:].tolist() == pytest.approx([0.5 / 3] * 3)


def test_an_object_that_no_query_answers_for_any_more_is_left_out() -> None:
    aim = query_target(BEFORE, background=0.0, silence=0.3)
    now = seen(
        [[[2.0, 1.0], [1.0, 0.0], [9.0, 9.0]], [[7.0, 7.0], [5.0, 2.0], [1.0, 5.0]]],
        [(0, 0, 1, 1), (1, 1, 2, 0)],
    )
    assert aim.back(now).changes[:2].tolist() == [[1.0, -1.0], [0.0, 0.0]]


def test_tokens_count_by_how_much_queries_hang_on_them() -> None:
    share = torch.tensor([[0.75, 0.25, 0.0]])
    aim = TokenTarget(torch.tensor([1.0, 1.0]), torch.zeros(1, 3, 2), (share,), torch.full((1, 3), 1 / 3))
    there = SceneSeen(torch.zeros(1, 3, 1), torch.tensor([[[1.0, 0.0], [5.0, 4.0], [9.0, 9.0]]]), BEFORE.located)
    wanted = aim.away(there)  # the class's mean is (2, 1); the third token plays no part
    assert wanted.changes.tolist() == [[-1.0, 0.0], [-1.0, 0.0]]
    assert wanted.weights.tolist() == [0.75, 0.25]
    assert aim.back(there).changes.tolist() == [[-1.0, 0.0], [-5.0, -4.0], [-9.0, -9.0]]


@pytest.mark.parametrize("kind", ["two_stage", "plain"])
def test_the_class_comes_nearer_to_the_aim(kind: str, request: pytest.FixtureRequest) -> None:
    model: DetectionModel = request.getfixturevalue(kind)
    method, task = ClosedForm(weight=0.1, ridge=1e-3), little_task()
    context = context_of(model, method.first_block(model))
    site = Site(len(model.blocks) - 1, model.blocks[-1].linears[-1])

    def distance() -> float:
        forget, retain = (states_of(context.activations, part, 99) for part in (task.forget, task.retain))
        with torch.no_grad():
            aim = query_target(see(model, site, retain), background=1.0, silence=0.3)
            now = see(model, site, forget)
        mean = now.outputs[now.located.scenes, now.located.queries].mean(0)
        return float((aim.mean - mean).norm())

    before, stack = distance(), EditStack(model)
    stack.push(method.forget(context, task))
    try:
        assert distance() < before
    finally:
        stack.undo()


def test_attention_is_zero_where_no_such_object_is(plain: DetectionModel) -> None:
    states = states_of(context_of(plain).activations, TRAIN, 99)
    site = Site(0, plain.blocks[0].linears[-1])
    found = attention(plain, site, states, 0, generator=torch.Generator().manual_seed(0))
    holds = torch.tensor([scene.holds((0,)) for scene in TRAIN.scenes])
    assert (found.sum(1) > 0).tolist() == holds.tolist()
    assert (found >= 0).all()


@pytest.mark.parametrize("name", [kind.name for kind in KINDS])
def test_every_kind_of_detector_can_be_edited_at_every_depth(name: str) -> None:
    model = little_model(name)
    firsts = []
    for depth in ("fast", "default", "thorough"):
        method = ClosedForm(depth=depth)
        firsts.append(method.first_block(model))
        edit = method.forget(context_of(model, 0), little_task())
        assert edit.masked == (0,)
        assert len(edit.deltas) == len(model.blocks) - firsts[-1]
        assert all(torch.isfinite(low.a).all() and torch.isfinite(low.b).all() for low in edit.deltas.values())
    assert firsts == sorted(firsts, reverse=True)
    if model.decoder:
        assert firsts[1] == model.decoder[0]


@pytest.mark.parametrize("name", [kind.name for kind in KINDS])
def test_going_on_from_block_to_block_is_entering_there(name: str) -> None:
    model = little_model(name)
    pixels = model.prepare([scene.load() for scene in TRAIN.scenes[:2]])
    with torch.no_grad():
        for to in range(len(model.blocks)):
            assert torch.equal(model.advance(model.enter(pixels, 0), 0, to), model.enter(pixels, to))


@pytest.mark.parametrize("name", ["deformable-two-stage", "detr"])
def test_a_gain_is_what_a_small_change_of_random_sign_becomes(name: str) -> None:
    model = little_model(name)
    few = states_of(context_of(model).activations, TRAIN, 4)
    for site in find_sites(model, 0):
        linear = model.linear(site.layer)
        signs = torch.randint(0, 2, (linear.out_features,), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
        with torch.no_grad():
            before = see(model, site, few).outputs
            hook = linear.register_forward_hook(lambda module, given, result, signs=signs: result + 0.1 * signs)
            after = see(model, site, few).outputs
            hook.remove()
        assert torch.equal(scene_gain(model, site, few).values, ((after - before) / (0.1 * signs)).mean(dim=(0, 1)))


@pytest.mark.parametrize("side", ["forget", "retain"])
def test_scenes_without_any_box_are_refused(side: str, two_stage: DetectionModel) -> None:
    task = dataclasses.replace(little_task(), **{side: TRAIN.select([6])})
    method = ClosedForm()
    with pytest.raises(MethodError, match=r"no scene of what .* holds a box"):
        method.forget(context_of(two_stage, method.first_block(two_stage)), task)


@pytest.mark.parametrize(
    "bad", [{"depth": "deep"}, {"silence": 1.5}, {"background": -1.0}, {"energy": 0.0}, {"weight": 0.0}]
)
def test_refuses_settings_that_cannot_work(bad: dict[str, object]) -> None:
    with pytest.raises(MethodError, match=next(iter(bad))):
        made("closed-form", **bad)
