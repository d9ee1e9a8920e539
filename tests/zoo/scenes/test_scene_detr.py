"""The small detector behind `DetectionModel`: what every detector must do, on a tiny random copy."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Dinov2Backbone, Dinov2Config

from expunge.adapters import Edit, EditStack, LowRank, attached, to_edit
from expunge.errors import NoBlocksError
from expunge.vision.detection import DetectionModel, DetectionOutput, Target, detect, fixed_preprocess
from expunge.zoo.scenes._layers import sine
from expunge.zoo.scenes.detr import Detr, DetrShape, Proposals, cells
from expunge.zoo.scenes.model import SceneDetector
from expunge.zoo.scenes.objective import CRITERION
from expunge.zoo.scenes.recipe import run as run_on_maps

CLASSES = ("ant", "bee", "cat")
SHAPE = DetrShape(channels=(32, 32), dim=32, heads=4, queries=5)
SIDE = 70
ENCODER = tuple(f"detector.encoder.{i}" for i in range(2))
DECODER = tuple(f"detector.decoder.{i}" for i in range(3))


@pytest.fixture(scope="module")
def model() -> DetectionModel:
    settings: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2}
    settings |= {"image_size": SIDE, "patch_size": 14, "out_indices": [1, 2], "apply_layernorm": False}
    config = Dinov2Config(**settings)
    module = SceneDetector(Dinov2Backbone(config), Detr(len(CLASSES), SHAPE))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():  # fresh biases are zeros and would hide mistakes
            parameter.normal_(0.0, 0.2, generator=generator)
    preprocess = fixed_preprocess(SIDE, SIDE, (0.5,) * 3, (0.2,) * 3)
    return DetectionModel(module, CLASSES, preprocess=preprocess, criterion=CRITERION)


def pixels(height: int = SIDE, width: int = SIDE) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def targets() -> tuple[Target, Target]:
    first = Target(torch.tensor([0, 2]), torch.tensor([[0.3, 0.4, 0.2, 0.3], [0.7, 0.6, 0.4, 0.5]]))
    return first, Target(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.6, 0.2]]))


def run(model: DetectionModel) -> DetectionOutput:
    with torch.no_grad():
        return model(pixels())


def same(a: DetectionOutput, b: DetectionOutput) -> bool:
    return torch.equal(a.features, b.features) and torch.equal(a.logits, b.logits) and torch.equal(a.boxes, b.boxes)


def test_blocks_and_head_are_found(model: DetectionModel) -> None:
    assert tuple(block.name for block in model.blocks) == ENCODER + DECODER
    for block in model.blocks:
        assert block.linears == (f"{block.name}.ffn.fc1", f"{block.name}.ffn.fc2")
    assert (model.head_name, model.kind) == ("detector.classify", "sigmoid")


def test_the_head_makes_the_logits_of_the_features(model: DetectionModel) -> None:
    output, head = run(model), model.linear(model.head_name)
    torch.testing.assert_close(output.logits, head(output.features))
    assert output.logits.shape == (2, 5, 3)
    assert output.logits.std() > 0.01
    assert output.boxes.min() > 0
    assert output.boxes.max() < 1


def test_pixels_and_feature_maps_give_the_same(model: DetectionModel) -> None:
    module = model.module
    assert isinstance(module, SceneDetector)
    with torch.no_grad():
        maps = module.backbone(pixels()).feature_maps
    assert same(run_on_maps(module.detector, maps), run(model))


@pytest.mark.parametrize("size", [(SIDE, SIDE), (SIDE, 98)], ids=["square", "wide"])
def test_resume_goes_on_exactly_where_enter_stopped(model: DetectionModel, size: tuple[int, int]) -> None:
    images = pixels(*size)
    with torch.no_grad():
        whole = model(images)
        for block in range(len(model.blocks)):
            hidden = model.enter(images, block)
            assert same(model.resume(hidden, block, size=size), whole), block
            swapped = model.resume(hidden.flip(0), block, size=size)
            torch.testing.assert_close(swapped.logits, whole.logits.flip(0), rtol=1e-4, atol=1e-4)
    with pytest.raises(NoBlocksError, match="numbers an image"):
        model.resume(model.enter(images, 4)[:, :-1], 4, size=size)


def test_the_backbone_and_the_encoder_rest(model: DetectionModel) -> None:
    top = len(model.blocks) - 1
    places = {block.name: block.linears[-1] for block in model.blocks} | {"backbone": "backbone.embeddings"}
    calls: set[str] = set()
    hooks = [
        model.module.get_submodule(name).register_forward_hook(lambda *_, place=place: calls.add(place))
        for place, name in places.items()
    ]
    try:
        for block, expected in ((0, {*ENCODER, *DECODER}), (top, {*DECODER})):
            hidden = model.enter(pixels(), block)
            model.resume(hidden, block)  # the first call makes sure that going on is sound
            calls.clear()
            model.resume(hidden, block)
            assert calls == expected
        model(pixels())
        assert calls == set(places)
    finally:
        for hook in hooks:
            hook.remove()


def test_gradients_reach_every_block(model: DetectionModel) -> None:
    names = [block.linears[-1] for block in model.blocks]
    weights = [model.linear(name).weight.requires_grad_(True) for name in names]
    try:
        hidden = model.enter(pixels(), 0).detach()
        resumed = torch.autograd.grad(model.loss(model.resume(hidden, 0), targets()).total, weights)
        whole = torch.autograd.grad(model.loss(model(pixels()), targets()).total, weights)
        for name, gradient, expected in zip(names, resumed, whole, strict=True):
            assert gradient.abs().max() > 0, name
            torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-5)
    finally:
        for weight in weights:
            weight.requires_grad_(False)


def test_an_edit_changes_the_output_and_undo_restores_every_bit(model: DetectionModel) -> None:
    before, digest, stack = run(model), model.digest(), EditStack(model)
    for block in model.blocks:
        out, inner = model.linear(block.linears[-1]).weight.shape
        stack.push(Edit(deltas={block.linears[-1]: LowRank(torch.randn(1, inner), torch.randn(out, 1), 0.5)}))
        assert not torch.allclose(run(model).logits, before.logits, rtol=0, atol=1e-5), block.name
        stack.undo()
    assert model.digest() == digest
    assert same(run(model), before)


def test_lora_fits_every_ffn_layer(model: DetectionModel) -> None:
    names = [name for block in model.blocks for name in block.linears]
    with attached(model.module, names, rank=2, scale=0.5, seed=0) as layers:
        for layer in layers.values():
            nn.init.normal_(layer.lora_b, std=0.05)
        edit, expected = to_edit(layers), run(model)
    stack = EditStack(model)
    stack.push(edit)
    merged = run(model)
    stack.undo()
    torch.testing.assert_close(merged.boxes, expected.boxes, rtol=1e-3, atol=1e-3)


def test_a_struck_class_is_never_found_and_boxes_stay(model: DetectionModel) -> None:
    before, stack = run(model), EditStack(model)
    surest = int(detect(before, [(1, 1)] * 2)[0].labels[0])
    stack.push(Edit(masked=(surest,)))
    struck = run(model)
    stack.undo()
    assert not any(surest in one.labels for one in detect(struck, [(1, 1)] * 2))
    assert torch.equal(struck.boxes, before.boxes)
    assert same(run(model), before)


def test_queries_of_different_groups_do_not_see_each_other(model: DetectionModel) -> None:
    module = model.module
    assert isinstance(module, SceneDetector)
    detector, starts, grid = module.detector, torch.tensor([[3, 11, 7, 19]]), (5, 5)
    with torch.no_grad():
        maps = module.backbone(pixels()[:1]).feature_maps
        proposals = detector.propose(detector.encode(maps), grid)
        alone = detector.decode(proposals, starts[:, :2], grid)[-1].logits
        apart = detector.decode(proposals, starts, grid, (2, 2))[-1].logits
        together = detector.decode(proposals, starts, grid)[-1].logits
    torch.testing.assert_close(apart[:, :2], alone)
    assert not torch.allclose(together[:, :2], alone, atol=1e-3)


def test_queries_start_from_the_surest_tokens_with_distinct_boxes(model: DetectionModel) -> None:
    module = model.module
    assert isinstance(module, SceneDetector)
    one, other, third = [0.2, 0.2, 0.2, 0.2], [0.8, 0.8, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2]
    centre = torch.tensor([[3.0, 5.0, 4.0, 1.0, 2.0]])
    proposals = Proposals(torch.zeros(1, 5, 1), centre, torch.tensor([[one, other, other, third, third]]))
    # Token 1 takes the box of token 2, and token 4 that of token 3: these come last, the surer before the other.
    assert module.detector.best(proposals)[0].tolist() == [1, 0, 4, 2, 3]


def test_cells_lie_row_by_row() -> None:
    assert cells(2, 4)[5].tolist() == [0.375, 0.75, 0.25, 0.25]


def test_waves_are_half_a_turn_to_eight_turns() -> None:
    # Turns over the whole: 0.5, 2 and 8. So at one half: a quarter of a turn, one turn, four turns.
    waves = sine(torch.tensor([[0.5]]), 6)[0]
    torch.testing.assert_close(waves, torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 1.0]), atol=1e-5, rtol=0)
