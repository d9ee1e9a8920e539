"""Every kind of detector the package promises to work with, held against one list of demands."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import transformers
from torch import nn
from transformers import AutoModelForObjectDetection

from expunge.adapters import Edit, EditStack, LowRank, attached, to_edit
from expunge.errors import NoBlocksError
from expunge.vision.detection import DetectionModel, DetectionOutput, detect, load_detector
from tests.vision.detection.detectors import CLASSES, KINDS, QUERIES, Kind, picture, pixels, randomise, targets, write


@dataclass(frozen=True)
class Subject:
    """A detector under test, and a module with the same weights that `expunge` never saw."""

    kind: Kind
    model: DetectionModel
    reference: transformers.PreTrainedModel


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = write(request.param, tmp_path_factory.mktemp("detector"))
    return Subject(request.param, load_detector(folder), AutoModelForObjectDetection.from_pretrained(folder))


def run(model: DetectionModel) -> DetectionOutput:
    with torch.no_grad():
        return model(pixels())


def same(a: DetectionOutput, b: DetectionOutput) -> bool:
    return torch.equal(a.features, b.features) and torch.equal(a.logits, b.logits) and torch.equal(a.boxes, b.boxes)


def test_blocks_and_head_are_found(subject: Subject) -> None:
    kind, model = subject.kind, subject.model
    assert tuple(block.name for block in model.blocks) == kind.blocks
    for block in model.blocks:
        assert block.linears == tuple(f"{block.name}.{linear}" for linear in kind.linears)
    assert (model.head_name, model.kind) == (kind.head, kind.logits)
    assert model.classes == CLASSES


def test_the_output_is_the_plain_models(subject: Subject) -> None:
    output = run(subject.model)
    with torch.no_grad():
        expected = subject.reference(pixels())
    assert torch.equal(output.logits, expected.logits)
    assert torch.equal(output.boxes, expected.pred_boxes)
    assert output.logits.shape == (2, QUERIES, len(CLASSES) + (output.kind == "softmax"))
    assert output.logits.std() > 0.01  # a constant would prove nothing


def test_the_head_makes_the_logits_of_the_features(subject: Subject) -> None:
    output, head = run(subject.model), subject.model.linear(subject.model.head_name)
    expected = output.features @ head.weight.T + (0 if head.bias is None else head.bias)
    torch.testing.assert_close(output.logits, expected, rtol=1e-4, atol=1e-4)


def test_resume_goes_on_exactly_where_enter_stopped(subject: Subject) -> None:
    model = subject.model
    with torch.no_grad():
        whole = model(pixels())
        for block in range(len(model.blocks)):
            hidden = model.enter(pixels(), block)
            assert same(model.resume(hidden, block), whole), block
            # rows are kept image by image, and put together again in any order
            shuffled = model.resume(torch.stack([hidden[1], hidden[0]]), block)
            torch.testing.assert_close(shuffled.logits, whole.logits.flip(0), rtol=1e-4, atol=1e-4)


def test_resume_in_another_size(subject: Subject) -> None:
    model, wide = subject.model, torch.randn(1, 3, 64, 96)
    top = len(model.blocks) - 1
    with torch.no_grad():
        assert same(model.resume(model.enter(wide, top), top, size=(64, 96)), model(wide))
    with pytest.raises(NoBlocksError, match="numbers an image"):
        model.resume(model.enter(pixels(), top)[:, :-1], top)


def test_the_backbone_and_the_encoder_rest(subject: Subject) -> None:
    kind, model = subject.kind, subject.model
    top = len(kind.blocks) - 1
    hidden = {block: model.enter(pixels(), block) for block in (0, top)}
    places = [(block.name, block.linears[-1]) for block in model.blocks]
    places += [
        ("backbone", name)
        for name, part in model.module.named_modules()
        if name.startswith("model.backbone.") and isinstance(part, nn.Conv2d)
    ]
    calls: set[str] = set()
    hooks = [
        model.module.get_submodule(name).register_forward_hook(lambda *_, place=place: calls.add(place))
        for place, name in places
    ]
    try:
        for block, first in ((0, 0), (top, top if kind.decoder is None else kind.decoder)):
            model.resume(hidden[block], block)  # the first call makes sure that going on is sound
            calls.clear()
            model.resume(hidden[block], block)
            assert calls == set(kind.blocks[first:])
        calls.clear()
        model(pixels())
        assert calls == {place for place, _ in places}
    finally:
        for hook in hooks:
            hook.remove()


def test_gradients_reach_every_block(subject: Subject) -> None:
    model, there = subject.model, targets()
    names = [block.linears[-1] for block in model.blocks]
    weights = [model.linear(name).weight.requires_grad_(True) for name in names]
    try:
        hidden = model.enter(pixels(), 0).detach()
        resumed = torch.autograd.grad(model.loss(model.resume(hidden, 0), there).total, weights)
        whole = torch.autograd.grad(model.loss(model(pixels()), there).total, weights)
        for name, gradient, expected in zip(names, resumed, whole, strict=True):
            assert gradient.abs().max() > 0, name
            torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-5)
    finally:
        for weight in weights:
            weight.requires_grad_(False)


def test_an_edit_changes_the_output_and_undo_restores_every_bit(subject: Subject) -> None:
    model = subject.model
    before, digest = run(model), model.digest()
    stack = EditStack(model)
    for block in model.blocks:
        out, inner = model.linear(block.linears[-1]).weight.shape
        stack.push(Edit(deltas={block.linears[-1]: LowRank(torch.randn(1, inner), torch.randn(out, 1), 0.5)}))
        assert not torch.allclose(run(model).logits, before.logits, rtol=0, atol=1e-5), block.name
        stack.undo()
    assert model.digest() == digest
    assert same(run(model), before)


def test_lora_fits_every_ffn_layer(subject: Subject) -> None:
    model = subject.model
    names = [name for block in model.blocks for name in block.linears]
    with attached(model.module, names, rank=2, scale=0.5, seed=0) as layers:
        for layer in layers.values():
            nn.init.normal_(layer.lora_b, std=0.05)
        edit, expected = to_edit(layers), run(model)
    assert set(edit.deltas) == set(names)
    stack = EditStack(model)
    stack.push(edit)
    merged = run(model)
    stack.undo()
    torch.testing.assert_close(merged.boxes, expected.boxes, rtol=1e-3, atol=1e-3)


def test_a_struck_class_is_never_found_and_the_others_stay(subject: Subject) -> None:
    model = subject.model
    before, digest = run(model), model.digest()
    sizes = [(10, 10)] * len(before)
    surest = int(detect(before, sizes)[0].labels[0])
    stack = EditStack(model)
    stack.push(Edit(masked=(surest,)))
    struck = run(model)
    assert struck.probabilities[..., surest].max() == 0.0
    rows = [row for row in range(before.logits.shape[-1]) if row != surest]
    assert torch.equal(struck.logits[..., rows], before.logits[..., rows])
    assert torch.equal(struck.boxes, before.boxes)
    found = detect(struck, sizes)
    assert all(len(one) for one in found)
    assert not any(surest in one.labels for one in found)
    stack.undo()
    assert model.digest() == digest


def test_saved_detectors_come_back_the_same(subject: Subject, tmp_path: Path) -> None:
    model = subject.model
    model.save(tmp_path / "copy")
    copy = load_detector(tmp_path / "copy")
    assert copy.digest() == model.digest()
    assert (copy.classes, copy.blocks, copy.head_name) == (model.classes, model.blocks, model.head_name)
    assert copy.criterion == model.criterion
    assert same(run(copy), run(model))
    assert torch.equal(copy.prepare([picture()]), model.prepare([picture()]))
    assert {path.suffix for path in (tmp_path / "copy").iterdir()} == {".json", ".safetensors"}


def test_the_loss_is_the_one_it_was_trained_with(subject: Subject) -> None:
    """Against transformers' own criterion, at the last layer."""
    model, there = subject.model, targets()
    labels = [{"class_labels": target.labels, "boxes": target.boxes} for target in there]
    output = run(model)
    config = subject.reference.config
    config.auxiliary_loss = False
    expected, _, _ = subject.reference.loss_function(output.logits, labels, torch.device("cpu"), output.boxes, config)
    ours = model.loss(output, there)
    torch.testing.assert_close(ours.total, expected, rtol=1e-4, atol=1e-5)
    assert all(float(term) > 0 for term in (ours.label, ours.l1, ours.giou))
    nothing = tuple(target.__class__(target.labels[:0], target.boxes[:0]) for target in there)
    labels = [{"class_labels": target.labels, "boxes": target.boxes} for target in nothing]
    expected, _, _ = subject.reference.loss_function(output.logits, labels, torch.device("cpu"), output.boxes, config)
    torch.testing.assert_close(model.loss(output, nothing).total, expected, rtol=1e-4, atol=1e-5)


def test_a_fixed_scene_is_learned(subject: Subject, tmp_path: Path) -> None:
    module = subject.kind.build()
    model = DetectionModel(module, CLASSES, preprocess=subject.model.preprocess)
    names = [name for block in model.blocks for name in (f"{linear}.weight" for linear in block.linears)]
    learned = [module.get_parameter(name) for name in (*names, f"{model.head_name}.weight")]
    for parameter in learned:
        parameter.requires_grad_(True)
    optimizer = torch.optim.SGD(learned, lr=0.02)
    hidden = model.enter(pixels(), 0)
    losses = []
    for _ in range(8):
        loss = model.loss(model.resume(hidden, 0), targets()).total
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(torch.isfinite(torch.tensor(losses)))
    assert losses[-1] < losses[0]


def test_detectors_are_frozen_and_in_eval_mode(subject: Subject) -> None:
    module = subject.model.module
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert not any(part.training for part in module.modules())
    assert subject.model.num_parameters == sum(parameter.numel() for parameter in subject.reference.parameters())


def test_randomised_kinds_differ_by_seed() -> None:
    """The subjects' weights are not constants that would hide a mistake."""
    first, second = (randomise(KINDS[0].build(), seed) for seed in (0, 1))
    assert not torch.equal(next(first.parameters()), next(second.parameters()))
