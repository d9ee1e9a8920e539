"""The cache of hidden states: one state an image, whatever the image is called."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from expunge.vision import ActivationCache, VisionModel
from tests.methods import tiny
from tests.vision.conformance import randomise

ENTRY = 2


@dataclass(frozen=True)
class Counted:
    """A prepared image of one source that counts how often it is read."""

    name: str
    source: int
    reads: Counter[str] = field(default_factory=Counter, compare=False)

    def load(self) -> Tensor:
        self.reads[self.name] += 1
        return torch.randn(3, tiny.SIDE, tiny.SIDE, generator=torch.Generator().manual_seed(self.source))


@pytest.fixture(scope="module")
def model() -> VisionModel:
    return tiny.wrapped(randomise(tiny.vit()))


def entering(model: VisionModel, *samples: Counted) -> Tensor:
    with torch.no_grad():
        return torch.cat([model.enter(model.prepare([sample.load()]), ENTRY) for sample in samples])


def test_images_of_two_sources_with_one_name_do_not_answer_for_each_other(model) -> None:
    ours, theirs = Counted("train/7", 0), Counted("train/7", 1)
    cache = ActivationCache(model, ENTRY)
    for _ in range(2):
        torch.testing.assert_close(cache.states([ours]), entering(model, ours))
        torch.testing.assert_close(cache.states([theirs]), entering(model, theirs))
    assert not torch.equal(cache.states([ours]), cache.states([theirs]))


def test_an_image_is_read_once_whoever_asks_for_it(model) -> None:
    first, cache = Counted("a", 0), ActivationCache(model, ENTRY)
    again = Counted("a", 0, first.reads)
    assert torch.equal(cache.states([first]), cache.states([again]))
    assert first.reads == {"a": 1}


def test_states_come_in_the_order_asked_for_whether_kept_or_not(model) -> None:
    a, b, c = (Counted(name, number) for number, name in enumerate("abc"))
    cache = ActivationCache(model, ENTRY)
    cache.states([b])
    torch.testing.assert_close(cache.states([c, b, a, b, c]), entering(model, c, b, a, b, c))
    torch.testing.assert_close(cache.states([a, a, b]), entering(model, a, a, b))
    assert a.reads["a"] == 2 + 2  # once by the cache, once a time by `entering`


def test_past_its_room_images_are_read_anew(model) -> None:
    a, b, c = (Counted(name, number) for number, name in enumerate("abc"))
    state = entering(model, a)
    a.reads.clear()
    cache = ActivationCache(model, ENTRY, limit_bytes=2 * state.numel() * state.element_size() + 1)
    for _ in range(3):
        cache.states([a, b, c])
    assert (a.reads["a"], b.reads["b"], c.reads["c"]) == (1, 1, 3)


def test_a_state_that_is_kept_is_not_what_was_handed_out(model) -> None:
    a, cache = Counted("a", 0), ActivationCache(model, ENTRY)
    cache.states([a]).zero_()
    assert cache.states([a]).abs().max() > 0


def test_states_that_are_put_in_are_given_back_and_no_picture_is_read(model) -> None:
    a, b = Counted("a", 0), Counted("b", 1)
    cache, states = ActivationCache(model, ENTRY, limit_bytes=0), torch.randn(2, 5, 7)
    cache.put([a, b], states)
    assert torch.equal(cache.states([b, a]), states[[1, 0]])
    assert not a.reads
    assert not b.reads
