"""Blocks of convolutional networks: where the stream is, and what is no block."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from expunge.errors import NoBlocksError
from expunge.methods import make_method
from expunge.values import Block
from expunge.vision import VisionModel
from expunge.vision._conv_blocks import find_conv_blocks
from tests.vision import convolutional
from tests.vision.conformance import pixels
from tests.vision.conftest import wrap


def find(module: nn.Module) -> tuple[Block, ...]:
    return find_conv_blocks(module.eval().requires_grad_(False), pixels(1))


@pytest.mark.parametrize(
    ("build", "stream"),
    [
        (convolutional.resnet, "resnet.encoder.stages.0.layers.0.activation"),  # comes after the sum
        (convolutional.SharedResNet, "layer1.0.relu"),  # and is called before it as well
        (convolutional.efficientnet, None),  # the sum is what the block returns
        (convolutional.vgg, None),
        (convolutional.squeezenet, "2.expand3"),  # half of what the block returns
    ],
)
def test_the_stream_is_what_a_block_adds_to_or_returns(build, stream) -> None:
    assert find(build())[0].stream == stream


class Gated(nn.Module):
    """Squeeze-and-excitation after the last convolution, a shortcut that is called first, a depthwise convolution."""

    def __init__(self, width: int, wider: int) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(width, wider, 1)
        self.expand, self.depthwise = nn.Conv2d(width, 12, 1), nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.project = nn.Conv2d(12, wider, 1)
        self.squeeze, self.excite = nn.Conv2d(wider, 4, 1), nn.Conv2d(4, wider, 1)

    def forward(self, x: Tensor) -> Tensor:
        around = self.shortcut(x)
        x = self.project(functional.relu(self.depthwise(self.expand(x))))
        scale = self.excite(functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)))).sigmoid()
        return around + scale * x


def pooled(*parts: nn.Module, width: int) -> nn.Module:
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 5))


def test_shortcuts_gates_and_depthwise_convolutions_are_no_layers() -> None:
    found = find(pooled(nn.Conv2d(3, 6, 4, stride=4), Gated(6, 6), Gated(6, 8), width=8))
    assert found == (Block("1", ("1.expand", "1.project")), Block("2", ("2.expand", "2.project")))


def test_a_convolution_behind_the_pooling_is_a_head_and_one_before_it_a_block() -> None:
    module = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 6, 3), nn.AdaptiveAvgPool2d(1)),
        *(nn.Conv2d(6, 9, 1), nn.Flatten(), nn.Linear(9, 5)),
    )
    assert [block.name for block in find(module)] == ["0", "1"]


def test_maps_that_shrink_to_one_position_are_maps() -> None:
    """As those of a ResNet for large pictures that was trained on small ones."""
    convolutions = [nn.Conv2d(width, 6, 3, stride=2, padding=1) for width in (3, 6, 6, 6, 6)]
    assert len(find(pooled(*convolutions, width=6))) == 5

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(*convolutions[:3], nn.Flatten())
            self.head = nn.Linear(6 * 4 * 4, 5)

        def forward(self, pixels: Tensor) -> Tensor:
            return self.head(self.body(pixels))

    assert len(find(Fixed())) == 3  # no image of another size goes through it


def test_what_runs_through_the_whole_model_leaves_no_blocks_and_it_says_so() -> None:
    with pytest.raises(NoBlocksError, match=r"found 1, stem, among 4 convolutions .* head-mask works on any"):
        find(convolutional.BesideResNet())


def test_one_block_is_too_few() -> None:
    with pytest.raises(NoBlocksError, match=r"at least two blocks in Sequential, .*found 1, 0, among 1 convolution"):
        find(pooled(nn.Conv2d(3, 6, 3), width=6))


def test_norms_that_ask_the_batch_are_refused() -> None:
    module = pooled(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, track_running_stats=False), nn.Conv2d(6, 6, 3), width=6)
    with pytest.raises(NoBlocksError, match="1 of Sequential takes mean and deviation from the batch"):
        find(module)
    training = convolutional.SharedResNet().requires_grad_(False)
    with pytest.raises(NoBlocksError, match="Put the model in eval mode"):
        find_conv_blocks(training.train(), pixels(1))


class TestModelsThatCannotBeEdited:
    @pytest.fixture
    def model(self) -> VisionModel:
        return wrap(convolutional.BesideResNet())

    def test_they_load_and_say_why(self, model) -> None:
        assert model.fixed is not None
        assert "residual connection runs through the whole model" in model.fixed
        assert model.blocks == (Block("head", ()),)

    def test_their_head_can_be_cut_off(self, model) -> None:
        with torch.no_grad():
            whole, hidden = model(pixels()), model.enter(pixels(), 0)
            assert torch.equal(hidden, whole.embedding)
            assert torch.equal(model.resume(hidden, 0).logits, whole.logits)

    @pytest.mark.parametrize("name", ["closed-form", "closed-form++", "gs-lora", "damp", "retrain", "ssd"])
    def test_methods_refuse_them(self, model, name) -> None:
        with pytest.raises(NoBlocksError, match="The method head-mask works on any classifier"):
            make_method(name).first_block(model)

    def test_the_head_mask_does_not(self, model) -> None:
        assert make_method("head-mask").first_block(model) == 0


def test_a_layer_behind_the_cut_may_be_replaced_before_the_first_pass() -> None:
    """As while LoRA trains: what is left out below a block is found by name, whatever stands there."""
    model = wrap(convolutional.vgg())
    hidden = model.enter(pixels(), 1)
    sequence = model.module.get_submodule("0")
    sequence.add_module("4", nn.Sequential(sequence.get_submodule("4")))
    with torch.no_grad():
        assert torch.equal(model.resume(hidden, 1).logits, model(pixels()).logits)
