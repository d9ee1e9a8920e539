"""What a sequence of requests hands a method of the memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest

import expunge
from expunge.adapters import Edit, LowRank
from expunge.data import Splits, align, load_folder
from expunge.errors import EmptyClassError, MemoryMismatchError
from expunge.memory import Memory, calibrate
from expunge.methods import make_method
from expunge.runs import RunFolder
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask
from expunge.vision import VisionModel


@dataclass(frozen=True)
class Looking:
    """Strikes the classes, changes one block a little, and notes which classes the memory knew."""

    block: int = 2
    first: int = 2
    seen: list[tuple[int, ...] | None] = field(default_factory=list)

    name: ClassVar[str] = "looking"
    summary: ClassVar[str] = "looks at the memory"
    source: ClassVar[str] = "this test"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    uses_memory: ClassVar[bool] = True

    def first_block(self, model: VisionModel) -> int:
        return self.first

    def forget(self, context: Context, task: ForgetTask) -> Edit:
        memory = context.memory
        self.seen.append(memory and memory.known)
        if memory is not None and not len(task.forget):
            hidden, labels = memory.sample(task.targets, 4, context.seed)
            assert set(labels.tolist()) == set(task.targets)
            assert context.model.resume(hidden, memory.entry).logits.shape == (len(labels), 6)
        name = context.model.blocks[self.block].linears[-1]
        weight = context.model.linear(name).weight
        change = LowRank(weight.new_full((1, weight.shape[1]), 1e-4), weight.new_full((weight.shape[0], 1), 1e-4))
        return Edit({name: change}, masked=task.targets)


class Blind(Looking):
    """The same, but it does not say that it reads the memory."""

    uses_memory: ClassVar[bool] = False


@pytest.fixture
def model(toy_model_folder) -> VisionModel:
    return expunge.load(toy_model_folder, device="cpu")


@pytest.fixture
def data(model, toy_data_folder) -> Splits:
    return align(load_folder(toy_data_folder), model.classes)


@pytest.fixture
def memory(model, data) -> Memory:
    return calibrate(model, data.train, 2, 2)


def test_each_request_sees_what_is_not_forgotten_yet(model, data, memory) -> None:
    looking = Looking()
    expunge.forget(model, data, [["blue"], ["amber", "fern"], ["elm"]], method=looking, memory=memory)
    assert looking.seen == [(0, 1, 2, 3, 4, 5), (0, 2, 3, 4, 5), (2, 3, 4)]
    assert memory.known == (0, 1, 2, 3, 4, 5)


def test_a_resumed_run_sees_the_same(toy_model_folder, model, data, memory, tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.create({})
    expunge.forget(model, data, [["blue"]], method=Looking(), memory=memory, folder=folder)
    again, fresh = Looking(), expunge.load(toy_model_folder, device="cpu")
    expunge.forget(fresh, data, [["blue"], ["elm"]], method=again, memory=memory, folder=folder)
    assert again.seen == [(0, 2, 3, 4, 5)]


def test_a_method_that_does_not_ask_gets_none(model, data, memory) -> None:
    blind = Blind(first=0)
    expunge.forget(model, data, [["blue"]], method=blind, memory=memory)
    assert blind.seen == [None]


def test_images_of_a_remembered_class_are_optional(model, data, memory) -> None:
    without = replace(data, train=data.train.without([1]), validation=data.validation.without([1]))
    run = expunge.forget(model, without, [["blue"]], method=Looking(), memory=memory)
    assert run.metrics.requests[0].images.forget == 0
    assert run.metrics.requests[0].acc_f.after == 0
    for method, kept in ((Looking(), memory.without([1])), (Looking(), None), (make_method("head-mask"), memory)):
        with pytest.raises(EmptyClassError, match="'blue'"):
            expunge.forget(expunge.load(model.source), without, [["blue"]], method=method, memory=kept)


def test_a_memory_that_begins_too_high_up_is_refused(model, data, memory) -> None:
    with pytest.raises(MemoryMismatchError, match="block 2, but looking edits from block 1"):
        expunge.forget(model, data, [["blue"]], method=Looking(first=1), memory=memory)
    with pytest.raises(MemoryMismatchError, match="an earlier edit changed"):
        expunge.forget(model, data, [["blue"], ["elm"]], method=Looking(block=0), memory=memory)


def test_a_memory_of_the_edited_model_is_none_of_the_original(model, data, memory) -> None:
    expunge.forget(model, data, [["blue"]], method=Looking(), memory=memory, inplace=True)
    with pytest.raises(MemoryMismatchError, match="sha256"):
        expunge.forget(model, data, [["elm"]], method=Looking(), memory=memory)
