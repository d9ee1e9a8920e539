"""What every vision model must do, whatever it is made of. Used by tests/vision and tests/timm."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from expunge.adapters import Edit, EditStack, attached, to_edit
from expunge.errors import NoBlocksError
from expunge.vision import SoftmaxHead, VisionModel

SIDE = 32
CLASSES = ("ant", "bee", "cat", "dog", "eel")
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@dataclass(frozen=True)
class Subject:
    """A model under test.

    Attributes:
        model: The model.
        reference: A module with the same weights, which `expunge` never saw.
        blocks: Expected blocks and FFN layers, written by hand.
        head_name: Expected name of the classifier.
        reload: Loads what the model saved.
        prepared: What the published preprocessing gives for pictures; None where there is none.
    """

    model: VisionModel
    reference: nn.Module
    blocks: dict[str, tuple[str, ...]]
    head_name: str
    reload: Callable[[Path], VisionModel]
    prepared: Callable[[list[Image.Image]], Tensor] | None = None


M = TypeVar("M", bound=nn.Module)


def randomise(module: M, seed: int = 0) -> M:
    """Gives every parameter a value that matters: fresh biases, tables and layer scales are zeros or tiny."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
    return module.eval()


def pixels(n: int = 3, side: int = SIDE) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))


def pictures() -> list[Image.Image]:
    """Pictures of several sizes and modes."""
    values = np.random.default_rng(2).integers(0, 256, (3, 50, 40, 3), dtype=np.uint8)
    rgb = [Image.fromarray(value) for value in values]
    return [
        rgb[0],
        rgb[1].rotate(90, expand=True),
        rgb[2].convert("L"),
        rgb[0].convert("RGBA"),
        rgb[1].convert("P"),
    ]


def plain_logits(reference: nn.Module, values: Tensor) -> Tensor:
    with torch.no_grad():
        output = reference(values)
    return output if isinstance(output, Tensor) else output.logits


def check_blocks(subject: Subject) -> None:
    found = {block.name: block.linears for block in subject.model.blocks}
    assert found == subject.blocks
    assert list(found) == list(subject.blocks)
    assert subject.model.head_name == subject.head_name


def check_logits(subject: Subject) -> None:
    values = pixels()
    with torch.no_grad():
        output = subject.model(values)
    assert torch.equal(output.logits, plain_logits(subject.reference, values))
    assert output.logits.std() > 0.01  # a constant would prove nothing


def check_embedding(subject: Subject) -> None:
    with torch.no_grad():
        output = subject.model(pixels())
    head = subject.model.module.get_submodule(subject.head_name)
    weight, bias = head.get_parameter("weight"), head.bias
    assert bias is None or isinstance(bias, Tensor)
    embedding, scale = output.embedding, 1.0
    if not isinstance(subject.model.head, SoftmaxHead):
        embedding = embedding / embedding.norm(dim=1, keepdim=True)
        weight = weight / weight.norm(dim=1, keepdim=True)
        scale = subject.model.head.scale
    expected = scale * embedding @ weight.T + (0 if bias is None else bias)
    torch.testing.assert_close(output.logits, expected, rtol=1e-4, atol=1e-4)


def check_resume(subject: Subject) -> None:
    model, values = subject.model, pixels()
    with torch.no_grad():
        whole = model(values)
        for block in range(len(model.blocks)):
            rest = model.resume(model.enter(values, block), block)
            assert torch.equal(rest.logits, whole.logits), block
            assert torch.equal(rest.embedding, whole.embedding), block


def check_advance(subject: Subject) -> None:
    """One block alone gives, bit for bit, what enters the next one; from there the rest is the whole model's."""
    model, values = subject.model, pixels()
    with torch.no_grad():
        for block in range(len(model.blocks) - 1):
            following = model.advance(model.enter(values, block), block)
            assert torch.equal(following, model.enter(values, block + 1)), block
            assert torch.equal(model.resume(following, block + 1).logits, model(values).logits), block
    with pytest.raises(NoBlocksError):
        model.advance(model.enter(values, len(model.blocks) - 1), len(model.blocks) - 1)
    if len(model.blocks) > 2:
        two = model.advance(model.advance(model.enter(values, 0), 0), 1)
        torch.testing.assert_close(model.advance(model.enter(values, 0), 0, 2), two)


def check_lower_blocks_rest(subject: Subject) -> None:
    model = subject.model
    top = len(model.blocks) - 1
    hidden = model.enter(pixels(), top)
    model.resume(hidden, top)  # the first call makes sure that going on is sound
    calls: list[str] = []

    def hear(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...], result: Tensor) -> None:
            if result is not args[0]:  # a layer that is a block by itself only passes on what it is given
                calls.append(name)

        return hook

    hooks = [
        model.layer(name).module.register_forward_hook(hear(name)) for block in model.blocks for name in block.linears
    ]
    try:
        model.resume(hidden, top)
        assert sorted(calls) == sorted(model.blocks[top].linears)
        calls.clear()
        model.enter(pixels(), top)
        assert not set(calls) & set(model.blocks[top].linears)
        assert set(calls) == {name for block in model.blocks[:top] for name in block.linears}
        below = model.enter(pixels(), top - 1)
        model.advance(below, top - 1)
        calls.clear()
        model.advance(below, top - 1)
        assert sorted(calls) == sorted(model.blocks[top - 1].linears)
    finally:
        for hook in hooks:
            hook.remove()


def check_gradients(subject: Subject) -> None:
    model = subject.model
    top = len(model.blocks) - 1
    hidden = model.enter(pixels(), top)
    assert not model.resume(hidden, top).logits.requires_grad  # everything is frozen at first
    weight = model.layer(model.blocks[top].linears[0]).weight.requires_grad_(True)
    try:
        labels = torch.tensor([0, 1, 4])
        model.loss(model.resume(hidden, top).logits, labels).backward()
        assert weight.grad is not None
        assert weight.grad.abs().max() > 0
        expected = weight.grad.clone()
        weight.grad = None
        model.loss(model(pixels()).logits, labels).backward()
        torch.testing.assert_close(expected, weight.grad)
    finally:
        weight.requires_grad_(False)
        weight.grad = None


def check_round_trip(subject: Subject, folder: Path) -> None:
    model = subject.model
    model.save(folder / "copy")
    copy = subject.reload(folder / "copy")
    assert copy.digest() == model.digest()
    assert (copy.classes, copy.head, copy.blocks) == (model.classes, model.head, model.blocks)
    with torch.no_grad():
        assert torch.equal(copy(pixels()).logits, model(pixels()).logits)
    assert torch.equal(copy.prepare(pictures()), model.prepare(pictures()))
    assert not list(folder.rglob("*.bin"))


def check_preprocess(subject: Subject) -> None:
    prepared = subject.model.prepare(pictures())
    assert prepared.shape == (5, 3, SIDE, SIDE)
    assert prepared.dtype == torch.float32
    if subject.prepared is not None:
        expected = subject.prepared([picture.convert("RGB") for picture in pictures()])
        torch.testing.assert_close(prepared, expected, rtol=0, atol=1e-5)


def check_digest(subject: Subject) -> None:
    model = subject.model
    before = model.digest()
    assert len(before) == 64
    weight = model.layer(model.blocks[0].linears[-1]).matrix
    kept = weight[0, 0].clone()
    with torch.no_grad():
        weight[0, 0] = torch.nextafter(kept, torch.tensor(9.0))
        assert model.digest() != before
        weight[0, 0] = kept
    assert model.digest() == before


def check_frozen(subject: Subject) -> None:
    model = subject.model
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert not any(module.training for module in model.module.modules())
    with torch.no_grad():
        assert torch.equal(model(pixels()).logits, model(pixels()).logits)


def check_edits(subject: Subject) -> None:
    """LoRA layers fit every FFN layer found, merging gives what they computed, and undo restores every bit."""
    model = subject.model
    names = [name for block in model.blocks for name in block.linears]
    before, untouched = model.digest(), model(pixels()).logits
    with attached(model.module, names, rank=2, scale=0.5, seed=0) as layers:
        for layer in layers.values():
            nn.init.normal_(layer.lora_b, std=0.2)
        edit = to_edit(layers)
        expected = model(pixels()).logits.detach()
    assert set(edit.deltas) == set(names)
    assert not torch.allclose(expected, untouched, atol=1e-3)
    stack = EditStack(model)
    stack.push(edit)
    torch.testing.assert_close(model(pixels()).logits, expected, rtol=1e-3, atol=1e-3)
    stack.push(Edit(masked=(1,)))
    assert not (model(pixels()).logits.argmax(1) == 1).any()
    stack.undo(0)
    stack.undo()
    assert model.digest() == before


PROMISES: tuple[Callable[[Subject], None], ...] = (
    check_blocks,
    check_logits,
    check_embedding,
    check_resume,
    check_advance,
    check_lower_blocks_rest,
    check_gradients,
    check_preprocess,
    check_digest,
    check_frozen,
    check_edits,
)
"""All checks of a subject alone; what is saved and loaded again needs a folder, too."""
