"""What a method sees of each request on a detector, and the prototypes it starts from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

import pytest
import torch

from expunge.adapters import Edit, EditStack
from expunge.data import Box, Scenes, Splits
from expunge.errors import EmptyClassError, TooFewImagesError
from expunge.methods.protocol import Method
from expunge.methods.sequence import Forgetting
from expunge.tasks import Budget, available, find_task
from expunge.tasks.detection._prototypes import prototypes_of
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.plan import Plan
from expunge.tasks.request import Available, ForgetTask
from expunge.vision.detection import DetectionModel, target_of
from expunge.vision.detection.scene_states import SceneCache
from tests.vision.detection.detectors import CLASSES as TINY
from tests.vision.detection.detectors import detr, preprocess, randomise
from tests.vision.detection.drawn import box, drawn_scene, drawn_scenes

CLASSES = ("ant", "bee", "cat", "dog", "eel")
ANT, BEE, CAT, DOG, EEL = range(5)


def of(*contents: Collection[int], first: int = 0) -> Scenes:
    """Scenes that hold one box of each class named."""
    made = (drawn_scene(first + i, *map(box, labels)) for i, labels in enumerate(contents))
    return drawn_scenes(*made, classes=CLASSES)


def held(scenes: Scenes) -> list[list[int]]:
    """The labels of each scene's boxes."""
    return [[box.label for box in scene.boxes] for scene in scenes.scenes]


def numbers(scenes: Scenes) -> list[int]:
    return [int(scene.sample.name.removesuffix(".png")) for scene in scenes.scenes]


TRAIN = of([ANT, BEE], [BEE, CAT], [DOG], [], [ANT, EEL], [BEE], [CAT, DOG], [DOG])
VALIDATION = of([ANT, CAT], [BEE, EEL], [DOG], first=100)


def seen(train: Scenes, plan: Plan, budget: Budget, seed: int) -> Available[Scenes]:
    return available(
        find_task("detection"), Splits(train, VALIDATION, Scenes((), train.classes)), plan, budget, seed=seed
    )


class TestAvailableScenes:
    def test_everything_by_default(self) -> None:
        data = seen(TRAIN, Plan(((ANT,),)), Budget(None, replay=1.0), 0)
        assert data.forget == data.replay == TRAIN
        assert data.validation == VALIDATION

    def test_scenes_of_missing_classes_are_left_out_whole(self) -> None:
        plan = Plan(((ANT,),), missing=(CAT, EEL))
        data = seen(TRAIN, plan, Budget(None, replay=1.0), 0)
        assert held(data.forget) == held(data.replay) == [[ANT, BEE], [DOG], [], [BEE], [DOG]]
        assert held(data.validation) == [[DOG]]

    def test_every_class_has_its_shots_with_all_of_their_boxes(self) -> None:
        data = seen(TRAIN, Plan(((ANT,),), missing=(EEL,)), Budget(1, replay=1.0), 3)
        assert data.forget == data.replay
        assert all(count >= 1 for count in data.forget.image_counts()[:EEL])
        assert len(data.forget) <= 4
        by_number = dict(zip(numbers(TRAIN), held(TRAIN), strict=True))
        assert all(by_number[n] == labels for n, labels in zip(numbers(data.forget), held(data.forget), strict=True))
        with pytest.raises(TooFewImagesError, match="class 'ant' is in 1 images, 2 shots"):
            seen(TRAIN, Plan(((ANT,),), missing=(EEL,)), Budget(2, replay=1.0), 3)

    def test_replay_thins_out_what_stays_alone(self) -> None:
        many = of(*([label] for label in range(5) for _ in range(10)))
        for fraction, each in ((0.1, 1), (0.5, 5)):
            data = seen(many, Plan(((ANT,),)), Budget(None, replay=fraction), 0)
            assert data.forget == many
            assert data.replay.image_counts() == (each,) * 5

    def test_shots_come_before_replay(self) -> None:
        many = of(*([label] for label in range(5) for _ in range(10)))
        data = seen(many, Plan(((ANT,),)), Budget(4, replay=0.5), 0)
        assert data.forget.image_counts() == (4,) * 5
        assert data.replay.image_counts() == (2,) * 5
        assert set(numbers(data.replay)) < set(numbers(data.forget))

    def test_the_seed_draws(self) -> None:
        many = of(*([label] for label in range(5) for _ in range(10)))

        def drawn(seed: int) -> list[int]:
            plan = Plan(((ANT,),))
            return numbers(seen(many, plan, Budget(2, replay=1.0), seed).forget)

        assert drawn(0) == drawn(0)
        assert any(one != other for one, other in pairwise([drawn(seed) for seed in range(3)]))


@dataclass(frozen=True)
class Spy:
    """Strikes the targets and keeps what it was given."""

    given: list[tuple[SceneContext, ForgetTask[Scenes], tuple[int, ...]]] = field(default_factory=list)

    name: ClassVar[str] = "spy"
    summary: ClassVar[str] = "strikes the targets"
    source: ClassVar[str] = "this test"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def first_block(self, model: DetectionModel) -> int:
        return len(model.blocks) - 1

    def forget(self, context: SceneContext, task: ForgetTask[Scenes]) -> Edit:
        bias = context.model.linear(context.model.head_name).bias
        struck = tuple(int(i) for i in (bias == -1e4).nonzero()[:, 0])
        self.given.append((context, task, struck))
        return Edit(masked=task.targets)


@dataclass(frozen=True)
class SpyOnPrototypes(Spy):
    """A spy that wants prototypes."""

    needs_prototypes: ClassVar[bool] = True


@pytest.fixture(scope="module")
def model() -> DetectionModel:
    return DetectionModel(randomise(detr()), TINY, preprocess=preprocess())


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    """Scenes of the tiny detector's three classes."""
    crowd = Box((0.0, 0.0, 9.0, 9.0), 2, crowd=True)
    return drawn_scenes(
        drawn_scene(0, box(0), box(1, 20.0, 8.0, 44.0, 30.0)),
        drawn_scene(1, box(1, 3.0, 2.0, 12.0, 20.0), crowds=(crowd,)),
        drawn_scene(2),
        drawn_scene(3, box(2, 1.0, 1.0, 40.0, 30.0), box(2, 20.0, 20.0, 48.0, 38.0), box(0)),
    )


class TestTasks:
    PLAN = Plan(((0,), (2,)))

    def test_a_request_sees_boxes_of_its_targets_and_of_what_stays(self, model: DetectionModel, scenes: Scenes) -> None:
        forgetting = Forgetting(EditStack(model), self.PLAN, Spy(), Available(scenes, scenes, scenes))
        first, second = forgetting.task(0), forgetting.task(1)
        assert (first.targets, first.forgotten) == ((0,), ())
        assert held(first.forget) == [[0], [0]]
        assert numbers(first.forget) == [0, 3]
        assert held(first.retain) == [[1], [1], [], [2, 2]]
        assert held(first.validation) == [[0, 1], [1], [], [2, 2, 0]]
        assert (second.targets, second.forgotten) == ((2,), (0,))
        assert held(second.forget) == [[2, 2]]
        assert held(second.retain) == [[1], [1], [], []]
        assert held(second.validation) == [[1], [1], [], [2, 2]]
        assert [len(scene.crowds) for scene in second.retain.scenes] == [0, 0, 0, 0]

    def test_forget_and_replay_are_kept_apart(self, model: DetectionModel, scenes: Scenes) -> None:
        data = Available(scenes, scenes.select([1]), scenes.select([2]))
        task = Forgetting(EditStack(model), self.PLAN, Spy(), data).task(0)
        assert (numbers(task.forget), numbers(task.retain), numbers(task.validation)) == ([0, 3], [1], [2])

    def test_a_class_without_boxes_is_refused(self, model: DetectionModel, scenes: Scenes) -> None:
        data = Available(scenes.without([2]), scenes, scenes)
        forgetting = Forgetting(EditStack(model), self.PLAN, Spy(), data)
        with pytest.raises(EmptyClassError, match="no box of class 'cat'"):
            forgetting.carry_out(1)

    def test_each_edit_goes_on_top_of_the_earlier_ones(self, model: DetectionModel, scenes: Scenes) -> None:
        spy, stack = SpyOnPrototypes(), EditStack(model)
        assert isinstance(spy, Method)
        forgetting = Forgetting(stack, self.PLAN, spy, Available(scenes, scenes, scenes), seed=5)
        forgetting.prepare()
        try:
            edits = [forgetting.carry_out(number) for number in range(2)]
            assert stack.edits == tuple(edits)
        finally:
            while stack.edits:
                stack.undo()
        (one, _, before), (other, _, later) = spy.given
        assert (before, later) == ((), (0,))
        assert (one.seed, other.seed) == (5, 6)
        assert one.prototypes is other.prototypes is not None
        assert one.activations is other.activations is forgetting.activations
        assert forgetting.activations.entry == len(model.blocks) - 1

    def test_prototypes_are_taken_only_where_they_are_wanted(self, model: DetectionModel, scenes: Scenes) -> None:
        spy, stack = Spy(), EditStack(model)
        forgetting = Forgetting(stack, self.PLAN, spy, Available(scenes, scenes, scenes))
        forgetting.prepare()
        forgetting.carry_out(0)
        stack.undo()
        assert spy.given[0][0].prototypes is None


class TestPrototypes:
    def test_they_are_the_mean_features_of_the_matched_queries(self, model: DetectionModel, scenes: Scenes) -> None:
        found = prototypes_of(SceneCache(model, 1, batch_size=2), scenes)
        rows: dict[int, list[torch.Tensor]] = {0: [], 1: [], 2: []}
        for scene in scenes.scenes:
            target = target_of(scene)
            with torch.no_grad():
                output = model(model.prepare([scene.load()]))
            match = model.criterion.match(output, [target])[0]
            for query, k in zip(match.queries.tolist(), match.objects.tolist(), strict=True):
                rows[int(target.labels[k])].append(output.features[0, query])
        assert found.counts.tolist() == [2, 2, 2] == [len(each) for each in rows.values()]
        for label, each in rows.items():
            torch.testing.assert_close(found.values[label], torch.stack(each).mean(0), rtol=1e-4, atol=1e-5)

    def test_named_classes_count_where_they_are_forgotten_and_others_where_they_are_replayed(
        self, model: DetectionModel, scenes: Scenes
    ) -> None:
        forget, replay = scenes.select([0, 1, 3]), scenes.select([0, 1])
        spy = SpyOnPrototypes()
        forgetting = Forgetting(EditStack(model), Plan(((0,),)), spy, Available(forget, replay, scenes))
        forgetting.prepare()
        forgetting.carry_out(0)
        forgetting.stack.undo()
        taken = spy.given[0][0].prototypes
        assert taken is not None
        assert taken.counts.tolist() == [2, 2, 0]  # class 2 is in scene 3 alone, which is not replayed
        assert taken.known.tolist() == [True, True, False]
        cache = SceneCache(model, len(model.blocks) - 1)
        expected = prototypes_of(cache, forget.without([1, 2]), replay.without([0]))
        assert torch.equal(taken.values, expected.values)
