"""The closed form's second version: its target by hand, its polish, and what the edit does with head rows in place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from expunge.adapters import Edit, EditStack, tuned
from expunge.data import Images
from expunge.errors import MethodError
from expunge.memory import calibrate
from expunge.methods._neighbours import Neighbours, answers_among, neighbours
from expunge.methods._polish import Lesson, Polish, outputs_of
from expunge.methods._sensitivity import Rows
from expunge.methods._states import SeenRows, States, states_of
from expunge.methods.closed_form import ClosedForm
from expunge.methods.closed_form_pp import ClosedFormPlusPlus
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask, Progress
from expunge.vision import ActivationCache, VisionModel
from tests.methods import tiny

TARGETS = (0, 3)
Make = Callable[..., Edit]


@pytest.fixture(scope="module")
def edit(toy_model, task) -> Make:
    """Makes edits of the toy model with given settings."""
    caches: dict[int, ActivationCache] = {}

    def make(other: ForgetTask = task, *, method: type[ClosedForm] = ClosedFormPlusPlus, **given) -> Edit:
        fields = {key: given.pop(key) for key in ("memory", "seed", "report") if key in given}
        made = method(**given)
        entry = made.first_block(toy_model)
        cache = caches.setdefault(entry, ActivationCache(toy_model, entry))
        return made.forget(Context(toy_model, cache, **fields), other)

    return make


@contextmanager
def with_rows(model: VisionModel, edit: Edit) -> Iterator[None]:
    """The model with the edit's changes of weights and its head as it was."""
    stack = EditStack(model)
    stack.push(Edit(edit.deltas))
    try:
        yield
    finally:
        stack.undo()


@torch.no_grad()
def answers(model: VisionModel, images: Images) -> Tensor:
    return model(model.prepare(images.load())).logits.softmax(1)


def accuracy(model: VisionModel, images: Images) -> float:
    return (answers(model, images).argmax(1) == torch.tensor(images.labels)).float().mean().item()


def states(*rows: tuple[int, list[float]]) -> States:
    return States(torch.tensor([values for _, values in rows]), torch.tensor([label for label, _ in rows]))


class TestTarget:
    def test_each_image_goes_to_its_neighbours_mean_and_keeps_what_sets_it_apart(self) -> None:
        """Class 7 has mean (1, 0), class 9 mean (0, 5); neighbours lie at (10, 10) and (20, 0)."""
        forget = states((7, [0.0, 1.0]), (9, [0.0, 5.0]), (7, [2.0, -1.0]))
        own, retained = torch.tensor([[[1.0, 0.0]], [[0.0, 5.0]]]), torch.tensor([[[10.0, 10.0]], [[20.0, 0.0]]])
        rows = Rows(torch.zeros(3, 1, dtype=torch.int64), torch.ones(3, 1))
        seen = SeenRows(forget.hidden, forget.hidden, own, None, plain=False, held=())
        wanted = Neighbours(torch.tensor([0, 1, 1])).target(seen, rows, forget, retained)
        assert torch.equal(wanted, torch.tensor([[9.0, 11.0], [20.0, 0.0], [21.0, -1.0]]))

    def test_embeddings_move_in_the_same_way(self) -> None:
        forget, retain = states((1, [0.0]), (1, [4.0])), states((0, [10.0]), (2, [30.0]), (0, [20.0]))
        moved = Neighbours(torch.tensor([1, 0])).moved(forget.hidden, forget, retain.hidden, retain)
        assert torch.equal(moved, torch.tensor([[28.0], [17.0]]))

    def test_the_neighbour_is_the_greatest_answer_among_classes_that_stay(self) -> None:
        logits = torch.tensor([[1.0, 9.0, 3.0, 2.5, 2.0], [5.0, 9.0, 3.0, 2.5, 2.0], [1.0, 9.0, 3.0, 8.0, 2.0]])
        retain = states((4, [0.0]), (0, [0.0]), (2, [0.0]))  # 1 goes; 3 stays, but is missing
        assert neighbours(logits, retain, (1,)).nearest.tolist() == [1, 0, 3]

    def test_where_the_neighbour_is_missing_the_mean_of_all_others_stands_for_it(self) -> None:
        forget, retain = states((1, [0.0]), (1, [4.0])), states((0, [10.0]), (2, [30.0]))
        moved = Neighbours(torch.tensor([2, 0])).moved(forget.hidden, forget, retain.hidden, retain)
        assert torch.equal(moved, torch.tensor([[18.0], [12.0]]))

    def test_answers_leave_nothing_for_classes_that_go(self) -> None:
        logits = torch.tensor([[2.0, 1.0, 5.0, 2.0]])
        assert torch.allclose(answers_among(logits, (1, 2)), torch.tensor([[0.5, 0.0, 0.0, 0.5]]))


@pytest.fixture(scope="module")
def lessons(toy_model, task) -> tuple[Lesson, Lesson]:
    forget, retain = states_of(Context(toy_model, ActivationCache(toy_model, 1)), task, 100)
    there, here = (outputs_of(toy_model, some, 1) for some in (forget, retain))
    return (
        Lesson(forget, answers_among(there.logits, task.targets), there.embedding),
        Lesson(retain, answers_among(here.logits, ()), here.embedding),
    )


def run(polish: Polish, model: VisionModel, weights, lessons: tuple[Lesson, Lesson]) -> list[float]:
    losses: list[float] = []
    generator = torch.Generator().manual_seed(0)
    polish(model, 1, weights, *lessons, (0, 1), generator, lambda step, loss: losses.append(loss))
    return losses


class TestPolish:
    def test_lowers_its_loss(self, toy_model, lessons) -> None:
        names = [f"{block.linears[-1]}.weight" for block in toy_model.blocks[1:]]
        with tuned(toy_model.module, names) as weights:
            losses = run(Polish(6, 5, 0.33, 64, 0.0, 0.0), toy_model, weights.parameters.values(), lessons)
        assert len(losses) == 30
        assert losses[-1] < 0.5 * losses[0]

    def test_what_stays_counts_by_class_beyond_some_for_each_that_goes(self, toy_model, lessons, monkeypatch) -> None:
        """Before any step nothing has moved: the loss is CE(going) + w CE(staying), a straight line in w."""
        name = f"{toy_model.blocks[-1].linears[-1]}.weight"
        ratio = len(lessons[1].states.classes) / len(lessons[0].states.classes)

        def first(even: float) -> float:
            monkeypatch.setattr("expunge.methods._polish.EVEN", even)
            with tuned(toy_model.module, [name]) as weights:
                return run(Polish(1, 1, 0.33, 64, 0.0, 0.0), toy_model, weights.parameters.values(), lessons)[0]

        once, thrice, five_times = (first(ratio / weight) for weight in (1, 3, 5))
        assert first(100 * ratio) == first(ratio) == once
        assert thrice > once
        assert five_times - thrice == pytest.approx(thrice - once, rel=1e-4)

    def test_only_the_given_weights_have_a_gradient(self, toy_model, lessons) -> None:
        name = f"{toy_model.blocks[-1].linears[-1]}.weight"
        with tuned(toy_model.module, [name]) as weights:
            run(Polish(1, 1, 0.33, 8, 0.0, 0.2), toy_model, weights.parameters.values(), lessons)
            with_gradient = [n for n, p in toy_model.module.named_parameters() if p.grad is not None]
        assert with_gradient == [name]

    def test_a_step_is_a_part_of_the_weights_size(self, toy_model, lessons) -> None:
        """Adam's first step moves every entry with a gradient by the learning rate: 0.3 rms(W) / √m."""
        name = f"{toy_model.blocks[-1].linears[-1]}.weight"
        with tuned(toy_model.module, [name]) as weights:
            before = weights.before[name]
            run(Polish(1, 1, 0.3, 64, 0.0, 0.0), toy_model, weights.parameters.values(), lessons)
            moved = (weights.parameters[name].detach() - before).abs().max()
        expected = 0.3 * before.square().mean().sqrt() / before.shape[1] ** 0.5
        assert float(moved) == pytest.approx(float(expected), rel=1e-3)

    @pytest.mark.parametrize(
        ("rate", "enough", "steps"),
        [(0.01, 1.0, 0), (0.01, 0.0, 15), (10.0, 0.9, 5)],  # enough is gone before it begins; never; after a round
    )
    def test_ends_when_enough_is_gone_and_not_before(self, toy_model, lessons, rate, enough, steps) -> None:
        name = f"{toy_model.blocks[-1].linears[-1]}.weight"
        with tuned(toy_model.module, [name]) as weights:
            polish = Polish(3, 5, rate, 8, enough, 0.0)
            assert len(run(polish, toy_model, weights.parameters.values(), lessons)) == steps

    def test_pushed_states_are_harder_to_polish_away(self, toy_model, lessons) -> None:
        """They are given the classes that go more, so the same polish starts from a greater loss.

        Where no class has two states there is no distance to go by, and nothing is pushed.
        """
        name = f"{toy_model.blocks[-1].linears[-1]}.weight"
        going, staying = lessons
        rows = [staying.states.labels.tolist().index(label) for label in staying.states.classes]
        alone = States(staying.states.hidden[rows], staying.states.labels[rows])
        single = Lesson(alone, staying.answers[rows], staying.embedding[rows])

        def first(reach: float, kept: Lesson) -> float:
            with tuned(toy_model.module, [name]) as weights:
                polish = Polish(1, 1, 0.33, 64, 0.0, reach)
                return run(polish, toy_model, weights.parameters.values(), (going, kept))[0]

        still, near, far = (first(reach, staying) for reach in (0.0, 0.05, 0.2))
        assert still < near < far
        assert first(0.2, single) == first(0.0, single)

    def test_every_class_has_the_same_chance(self) -> None:
        few, many = [(0, [0.0])] * 10, [(1, [1.0])] * 990
        lesson = Lesson(states(*few, *many), torch.zeros(1000, 2), torch.zeros(1000, 1))
        generator = torch.Generator().manual_seed(0)
        drawn = sum(int((lesson.draw(2, generator).states.labels == 0).sum()) for _ in range(500))
        assert drawn == pytest.approx(500, abs=80)  # 1000 draws, by halves but for the second of each two


class TestEdit:
    def test_weights_alone_no_longer_answer_the_class_and_the_others_stay(self, edit, toy_model, task, splits) -> None:
        gone, kept = splits.test.only(task.targets), splits.test.without((*task.targets, *task.forgotten))
        assert accuracy(toy_model, gone) > 0.9
        with with_rows(toy_model, edit()):
            assert accuracy(toy_model, gone) <= 0.1
            assert accuracy(toy_model, kept) >= 0.95

    def test_the_polish_takes_what_the_solves_leave(self, edit, toy_model, task, splits) -> None:
        gone = splits.test.only(task.targets)
        left = []
        for rounds in (0, 18):
            with with_rows(toy_model, edit(rounds=rounds, ridge=1000.0)):  # so shrunk that the solves do little
                left.append(float(answers(toy_model, gone)[:, list(task.targets)].sum(1).mean()))
        assert left[0] > 0.5
        assert left[1] < 0.2

    def test_touches_what_the_closed_form_touches_and_strikes_the_rows(self, edit, task) -> None:
        first, second = edit(depth="default"), edit(depth="default", method=ClosedForm)
        assert first.touched == second.touched
        assert first.masked == task.targets

    def test_a_memory_can_stand_in_for_images(self, edit, toy_model, task, splits) -> None:
        memory = calibrate(toy_model, splits.train, 1).without(task.forgotten)
        bare = replace(task, forget=task.forget.select([]), retain=task.retain.select([]))
        with with_rows(toy_model, edit(bare, memory=memory)):
            assert accuracy(toy_model, splits.test.only(task.targets)) <= 0.1
            assert accuracy(toy_model, splits.test.without((*task.targets, *task.forgotten))) >= 0.95

    @pytest.mark.slow
    def test_the_seed_decides_all(self, edit) -> None:
        first, again, other = (edit(seed=seed, enough=0.0) for seed in (1, 1, 2))
        assert all(torch.equal(one, two) for one, two in zip(first.tensors, again.tensors, strict=True))
        assert not all(torch.equal(one, two) for one, two in zip(first.tensors, other.tensors, strict=False))

    def test_tells_of_every_step(self, edit) -> None:
        told: list[Progress] = []
        edit(rounds=2, steps=3, enough=0.0, report=told.append)
        assert [progress.note.split(",")[0] for progress in told][-6:] == ["polish"] * 6
        assert told[-1].done == told[-1].total == 6


@pytest.mark.parametrize("build", [tiny.swin, tiny.convnext, tiny.cosine_vit], ids=lambda build: build.__name__)
def test_pooled_networks_and_a_cosface_head_forget_with_their_rows_in_place(build) -> None:
    model, data = tiny.trained(build), tiny.template_splits()
    task = ForgetTask(TARGETS, (), data.train.only(TARGETS), data.train.without(TARGETS), data.validation)
    gone, kept, digest = data.test.only(TARGETS), data.test.without(TARGETS), model.digest()
    stayed, method = accuracy(model, kept), ClosedFormPlusPlus()
    assert accuracy(model, gone) > 0.9
    made = method.forget(Context(model, ActivationCache(model, method.first_block(model))), task)
    assert model.digest() == digest
    with with_rows(model, made):
        assert accuracy(model, gone) <= 0.1
        assert accuracy(model, kept) >= stayed - 0.05


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": -1}, "rounds must be 0 or more"),
        ({"steps": 0}, "steps must be greater than 0"),
        ({"rate": 0.0}, "rate must be greater than 0"),
        ({"batch": 0}, "batch must be greater than 0"),
        ({"enough": 1.5}, "enough must be 1 or less"),
        ({"reach": -0.1}, "reach must be 0 or more"),
        ({"weight": 0.0}, "weight must be greater than 0"),
    ],
)
def test_settings_of_the_polish_that_cannot_work_are_refused(settings, message) -> None:
    with pytest.raises(MethodError, match=message):
        ClosedFormPlusPlus(**settings)
