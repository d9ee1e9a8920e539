"""What is drawn from a memory, and what forgetting a class changes: nothing else."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from expunge.errors import ClassMemoryError, MemoryMismatchError
from expunge.memory import ClassStatistics, Memory
from expunge.vision import load_model

CLASSES = ("amber", "blue", "coral", "dune")
SHAPE = (2, 3)


def memory(*labels: int, digest: str = "0" * 64, entry: int = 1) -> Memory:
    """Statistics of some classes, made up; class 2 has one image and so no factors."""
    generator = torch.Generator().manual_seed(7)
    made = {}
    for label in range(4):
        directions = 0 if label == 2 else 3
        mean, factors = torch.randn(SHAPE, generator=generator), torch.randn(directions, *SHAPE, generator=generator)
        made[label] = ClassStatistics(directions + 1, mean, factors, torch.full((5,), float(label)))
    return Memory(entry, digest, CLASSES, {label: made[label] for label in labels})


def test_draws_have_the_moments_that_are_kept() -> None:
    kept = memory(0, 1, 2, 3)
    hidden, labels = kept.sample([3, 0], 20_000, seed=0)
    assert hidden.dtype == torch.float32
    assert hidden.shape == (40_000, *SHAPE)
    assert labels.tolist() == [3] * 20_000 + [0] * 20_000
    for label in (0, 3):
        drawn, known = hidden[labels == label].flatten(1).double(), kept.statistics[label]
        rows = known.factors.flatten(1).double()
        covariance = rows.T @ rows
        # Standard error of a mean is σ/√n; of a covariance at most √2·σ²/√n. Five of them are allowed.
        torch.testing.assert_close(drawn.mean(0), known.mean.flatten().double(), rtol=0, atol=0.1)
        bound = 5 * 2**0.5 * float(covariance.diagonal().max()) / 20_000**0.5
        torch.testing.assert_close(drawn.T.cov(), covariance, rtol=0, atol=bound)


def test_a_class_of_one_image_gives_that_image() -> None:
    kept = memory(2)
    hidden, _ = kept.sample([2], 3, seed=0)
    assert all(torch.equal(one, kept.statistics[2].mean) for one in hidden)


@given(gone=st.sets(st.integers(0, 3), max_size=3), seed=st.integers(0, 2**40), order=st.permutations(range(4)))
def test_draws_of_a_class_do_not_depend_on_the_others(gone, seed, order) -> None:
    kept = memory(0, 1, 2, 3)
    stay = [label for label in order if label not in gone]
    hidden, labels = kept.without(gone).sample(stay, 2, seed)
    for label in stay:
        alone, _ = kept.sample([label], 2, seed)
        assert torch.equal(hidden[labels == label], alone)


def test_seeds_and_classes_draw_differently() -> None:
    one = memory(0).statistics[0]
    alike = Memory(1, "0" * 64, CLASSES, {0: one, 1: one})
    first, second = (alike.sample([label], 1, seed=0)[0] for label in (0, 1))
    assert not torch.equal(first, second)
    assert not torch.equal(first, alike.sample([0], 1, seed=1)[0])
    assert torch.equal(first, alike.sample([0], 1, seed=0)[0])


def test_nothing_is_drawn_of_what_is_not_known() -> None:
    kept = memory(0, 1).without([1])
    assert kept.known == (0,)
    with pytest.raises(ClassMemoryError, match="'blue'"):
        kept.sample([0, 1], 1, seed=0)
    with pytest.raises(ClassMemoryError, match="number 9"):
        kept.sample([9], 1, seed=0)
    hidden, labels = kept.sample([], 4, seed=0)
    assert (hidden.shape, labels.shape) == ((0, *SHAPE), (0,))


def test_prototypes_and_bytes() -> None:
    kept = memory(3, 1)
    found = kept.prototypes()
    assert found.counts.tolist() == [0, 4, 0, 4]
    assert found.values.tolist() == [[0.0] * 5, [1.0] * 5, [0.0] * 5, [3.0] * 5]
    assert found.known.tolist() == [False, True, False, True]
    assert kept.bytes == 2 * (2 * 6 * (1 + 3) + 4 * 5)
    assert kept.known == (1, 3)
    assert memory().prototypes().values.shape == (4, 0)


def test_statistics_of_a_class_that_is_not_there() -> None:
    with pytest.raises(ClassMemoryError, match="class 4"):
        Memory(0, "0" * 64, CLASSES, {4: memory(0).statistics[0]})


def test_another_model_is_refused(toy_model_folder) -> None:
    model = load_model(toy_model_folder)
    Memory(2, model.digest(), model.classes, {}).check_model(model)
    with pytest.raises(MemoryMismatchError, match="other classes: the memory knows 'amber', 'blue'"):
        memory(0).check_model(model)
    with pytest.raises(MemoryMismatchError, match=f"sha256 {'0' * 64}.*{model.digest()}"):
        Memory(0, "0" * 64, model.classes, {}).check_model(model)
    with pytest.raises(MemoryMismatchError, match="begins at block 3"):
        Memory(3, model.digest(), model.classes, {}).check_model(model)


def test_a_method_that_edits_below_the_entry_is_refused() -> None:
    memory(0, entry=2).check_entry(2, "m")
    with pytest.raises(MemoryMismatchError, match="enters block 2, but m edits from block 1 on"):
        memory(0, entry=2).check_entry(1, "m")
