import numpy as np
import pytest
import scipy.linalg
import torch

from expunge.errors import MethodError
from expunge.methods._layer_inputs import image_inputs
from expunge.methods.damp import DAMP, forget_directions, projection, prototypes, separability

RNG = np.random.default_rng(0)


def test_prototypes_are_class_means() -> None:
    rows = torch.tensor([[1.0, 0.0], [3.0, 2.0], [5.0, 5.0]])
    assert prototypes(rows, torch.tensor([7, 7, 2])).tolist() == [[5.0, 5.0], [2.0, 1.0]]


def test_directions_against_scipy() -> None:
    forget, retain = RNG.normal(size=(2, 7)), RNG.normal(size=(3, 7))
    found = forget_directions(torch.tensor(forget), torch.tensor(retain)).numpy()
    outside = scipy.linalg.null_space(retain)
    expected = scipy.linalg.orth(outside @ outside.T @ forget.T)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-10)
    np.testing.assert_allclose(found.T @ found, np.eye(2), atol=1e-10)
    np.testing.assert_allclose(retain @ found, 0, atol=1e-10)


@pytest.mark.parametrize(
    ("forget", "count"),
    [
        ([[0.0, 0.0, 2.0, 0.0]], 1),
        ([[5.0, -1.0, 2.0, 0.0], [0.0, 3.0, -1.0, 0.0]], 1),  # the same direction, once the shared part is gone
        ([[1.0, 2.0, 0.0, 0.0]], 0),  # nothing of its own
        ([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, -1.0]], 2),
    ],
)
def test_one_direction_for_each_class_that_has_one(forget, count) -> None:
    retain = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    assert forget_directions(torch.tensor(forget, dtype=torch.float64), retain).shape == (4, count)


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_the_edit_is_a_projection(scale) -> None:
    weight = torch.tensor(RNG.normal(size=(3, 5)))
    directions = torch.tensor(np.linalg.qr(RNG.normal(size=(5, 2)))[0])
    low = projection(weight, directions, scale)
    assert low.rank == 2
    expected = weight @ (torch.eye(5) - scale * directions @ directions.T)
    torch.testing.assert_close(weight + low.delta(), expected)


def leave_one_out(rows: np.ndarray, ours: np.ndarray) -> float:
    """The definition, by fitting n classifiers with the intercept as a column that is not shrunk."""
    weights = np.where(ours, 0.5 / ours.sum(), 0.5 / (~ours).sum())
    centred = rows - weights @ rows
    ridge = 1e-2 * np.mean(weights @ centred**2)
    x = np.column_stack([centred, np.ones(len(rows))])
    y = np.where(ours, 1.0, -1.0)
    penalty = np.diag([ridge] * rows.shape[1] + [0.0])
    right = []
    for i in range(len(rows)):
        rest = np.arange(len(rows)) != i
        w = weights[rest, None]
        fit = np.linalg.solve(x[rest].T @ (w * x[rest]) + penalty, x[rest].T @ (weights[rest] * y[rest]))
        right.append((x[i] @ fit) * y[i] > 0)
    right = np.array(right)
    return max(0.0, right[ours].mean() + right[~ours].mean() - 1)


@pytest.mark.parametrize(("shift", "width"), [(0.0, 3), (1.0, 3), (2.0, 30), (10.0, 4)])
def test_separability_against_refitting(shift, width) -> None:
    ours = np.arange(20) < 6
    rows = RNG.normal(size=(20, width)) + shift * ours[:, None] * (np.arange(width) == 0)
    found = separability(torch.tensor(rows), torch.tensor(ours))
    assert found == pytest.approx(leave_one_out(rows, ours), abs=1e-9)


def test_separability_of_what_is_plain_to_see_and_of_what_cannot_be_judged() -> None:
    rows = torch.tensor([[0.0], [0.1], [5.0], [5.1], [5.2]], dtype=torch.float64)
    assert separability(rows, torch.tensor([True, True, False, False, False])) == 1.0
    assert separability(rows, torch.tensor([True, False, True, False, True])) < 0.5
    assert separability(rows, torch.tensor([True, False, False, False, False])) == 1.0


def test_edits_blind_every_layer_by_the_share_that_its_depth_sets(context, task) -> None:
    made = context()
    edit = DAMP().forget(made, task)
    names = [name for block in made.model.blocks for name in block.linears]
    assert list(edit.deltas) == sorted(names)
    forget = image_inputs(made.activations, task.forget, names, class_token=True)
    retain = image_inputs(made.activations, task.retain, names, class_token=True)
    for number, block in enumerate(made.model.blocks, start=1):
        for name in block.linears:
            weight = made.model.linear(name).weight.double()
            delta = edit.deltas[name].delta()
            assert edit.deltas[name].rank == len(task.targets)
            ours, theirs = (
                prototypes(part[name], torch.tensor(images.labels))
                for part, images in ((forget, task.forget), (retain, task.retain))
            )
            strength = number / len(made.model.blocks)  # the toy's classes are told apart without an error everywhere
            own = ours - ours @ torch.linalg.pinv(theirs) @ theirs
            torch.testing.assert_close(own @ delta.T, -strength * own @ weight.T, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(theirs @ delta.T, torch.zeros_like(theirs @ delta.T), rtol=0, atol=1e-3)


def test_last_blocks_and_strength(context, task) -> None:
    made = context(2)
    whole, half = (DAMP(last_blocks=1, strength=strength).forget(made, task) for strength in (1.0, 0.5))
    assert set(whole.deltas) == set(made.model.blocks[-1].linears)
    for name, low in whole.deltas.items():
        torch.testing.assert_close(half.deltas[name].delta(), 0.5 * low.delta(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("settings", [{"strength": 0.0}, {"last_blocks": -1}])
def test_bad_settings_of_damp(settings) -> None:
    with pytest.raises(MethodError, match=next(iter(settings))):
        DAMP(**settings)
