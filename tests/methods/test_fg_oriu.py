import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import nn

from expunge.adapters import EditStack, LoRAConv2d, LoRALinear
from expunge.errors import MethodError
from expunge.methods._block_features import recorded
from expunge.methods.fg_oriu import FGOrIU, inside, outside, project_gradients, subspace

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("energy", "count"), [(0.5, 1), (9 / 14, 1), (0.9, 2), (0.99, 3), (1.0, 3)])
def test_a_subspace_holds_the_energy_asked_for(energy, count) -> None:
    """Squared singular values 9, 4 and 1: 64 %, 93 % and all of the energy."""
    features = torch.zeros(5, 4)
    features[0, 2], features[1, 0], features[2, 3] = 3.0, 2.0, 1.0
    basis = subspace(features, energy)
    expected = torch.zeros(4, 4)
    for axis in (2, 0, 3)[:count]:
        expected[axis, axis] = 1.0
    torch.testing.assert_close(basis @ basis.T, expected)


def test_norms_against_numpy() -> None:
    features, basis = RNG.normal(size=(5, 7)), np.linalg.qr(RNG.normal(size=(7, 3)))[0]
    part = features @ basis @ basis.T
    found = [float(norm(torch.tensor(features), torch.tensor(basis))) for norm in (inside, outside)]
    assert found == pytest.approx([nuclear(part), nuclear(features - part)], rel=1e-9)


def nuclear(features: np.ndarray) -> float:
    return float(np.sum(np.linalg.svd(features, compute_uv=False)))


@pytest.mark.parametrize(("inputs", "outputs"), [(4, 9), (9, 4)])
def test_gradients_of_the_side_that_faces_the_stream_lose_the_retained_part(inputs, outputs) -> None:
    layer = LoRALinear(nn.Linear(inputs, outputs), 2, 1.0, torch.Generator().manual_seed(0))
    a, b = torch.randn(2, inputs), torch.randn(outputs, 2)
    layer.lora_a.grad, layer.lora_b.grad = a.clone(), b.clone()
    project_gradients(layer, torch.eye(4)[:, :2])
    if inputs == 4:
        a[:, :2] = 0.0
    else:
        b[:2] = 0.0
    torch.testing.assert_close([layer.lora_a.grad, layer.lora_b.grad], [a, b], rtol=0, atol=0)


def test_gradients_of_convolutions_lose_it_at_every_place_of_the_kernel() -> None:
    layer = LoRAConv2d(nn.Conv2d(4, 4, 3), 2, 1.0, torch.Generator().manual_seed(0))
    a, b = torch.randn(2, 4, 3, 3), torch.randn(4, 2, 1, 1)
    layer.lora_a.grad, layer.lora_b.grad = a.clone(), b.clone()
    project_gradients(layer, torch.eye(4)[:, :2])
    a[:, :2], b[:2] = 0.0, 0.0
    torch.testing.assert_close([layer.lora_a.grad, layer.lora_b.grad], [a, b], rtol=0, atol=0)


def test_objective_of_fg_oriu(context, task) -> None:
    made = context(1)
    model, blocks = made.model, made.model.blocks[1:]
    forget = {block.name: np.linalg.qr(RNG.normal(size=(48, 3)))[0] for block in blocks}
    retain = {block.name: np.linalg.qr(RNG.normal(size=(48, 5)))[0] for block in blocks}
    kept, gone = [0, 9, 17, 20], [2, 11, 15]
    with recorded(model, blocks) as features:
        made.activations.outputs(task.retain)  # as the validation does before a step: must not be taken for the batch
        objective = FGOrIU(forget_weight=0.3, retain_weight=0.7).objective(
            model,
            features,
            *({name: torch.tensor(basis).float() for name, basis in part.items()} for part in (forget, retain)),
        )
        found = float(objective(*made.batches(task, kept, gone)))

    states = []
    for images, indices in ((task.retain, kept), (task.forget, gone)):
        with torch.no_grad():
            states.append(model.module(model.prepare(images.load(indices)), output_hidden_states=True))
    rows = log_softmax(states[0].logits.double().numpy(), axis=1)
    expected = -np.mean([row[task.retain.labels[i]] for row, i in zip(rows, kept, strict=True)])
    for number, block in enumerate(blocks, start=2):  # the first hidden state is what enters block 0
        ours, theirs = (state.hidden_states[number][:, 0].double().numpy() for state in states)
        ours, theirs = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (ours, theirs))
        expected += 0.3 * nuclear(theirs @ forget[block.name])
        expected += 0.7 * nuclear(ours - ours @ retain[block.name] @ retain[block.name].T)
    assert found == pytest.approx(expected, rel=1e-4)


def test_forgets_and_leaves_no_hook(context, task, splits) -> None:
    made = context()
    hooks = [len(module._forward_hooks) for module in made.model.module.modules()]
    edit = FGOrIU(epochs=10).forget(made, task)
    assert [len(module._forward_hooks) for module in made.model.module.modules()] == hooks
    stack = EditStack(made.model)
    stack.push(edit)
    try:
        images = splits.test.only(task.targets)
        logits = made.model(made.model.prepare(images.load())).logits
        assert (logits.argmax(1) == torch.tensor(images.labels)).float().mean() <= 0.1
    finally:
        stack.undo()


def test_without_the_forget_term_nothing_is_forgotten(context, task, splits) -> None:
    made = context()
    edit = FGOrIU(epochs=10, forget_weight=0.0).forget(made, task)
    stack = EditStack(made.model)
    stack.push(edit)
    try:
        images = splits.test.only(task.targets)
        logits = made.model(made.model.prepare(images.load())).logits
        assert (logits.argmax(1) == torch.tensor(images.labels)).float().mean() >= 0.5
    finally:
        stack.undo()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"energy": 0.0}, "energy must be greater than 0"),
        ({"energy": 1.5}, "energy must be 1 or less"),
        ({"rank": 0}, "rank must be"),
        ({"forget_weight": -0.1}, "forget_weight must be 0 or more"),
        ({"retain_weight": -0.1}, "retain_weight must be 0 or more"),
    ],
)
def test_bad_settings_of_fg_oriu(settings, message) -> None:
    with pytest.raises(MethodError, match=message):
        FGOrIU(**settings)
