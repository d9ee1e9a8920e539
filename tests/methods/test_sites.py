"""What a block is given, writes and hands on, against blocks run by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, relu, unfold

from expunge.errors import ModelError, NoBlocksError
from expunge.methods._sites import LEAST_SHARE_HEARD, Gain, Site, find_sites, gain, look, step
from expunge.vision import VisionModel
from expunge.vision.layer import by_position
from tests.methods import tiny
from tests.vision import convolutional
from tests.vision.conformance import randomise
from tests.vision.handmade import EncoderViT, SequentialViT


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return tiny.draw_images(1, 0)[0][:3]


def run_vit(block, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs of the FFN's last layer and the residual stream after the block, from a ViT's parts."""
    before = hidden + block.attention(block.layernorm_before(hidden), None)[0]
    inputs = gelu(block.mlp.fc1(block.layernorm_after(before)))
    return inputs, before + block.mlp.fc2(inputs)


def run_swin(block, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """The same of a Swin; attention in windows is what is left when the FFN is silent."""
    side = round(hidden.shape[1] ** 0.5)
    hook = block.mlp.fc2.register_forward_hook(lambda module, given, result: torch.zeros_like(result))
    before = block(hidden, (side, side))[0]
    hook.remove()
    inputs = gelu(block.mlp.fc1(block.layernorm_after(before)))
    return inputs, before + block.mlp.fc2(inputs)


def run_convnext(block, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """The same of a ConvNeXt, position after position of its map."""
    inputs = gelu(block.pwconv1(block.layernorm(block.dwconv(hidden).permute(0, 2, 3, 1))))
    after = hidden.permute(0, 2, 3, 1) + block.layer_scale_parameter * block.pwconv2(inputs)
    return inputs.flatten(1, 2), after.flatten(1, 2)


BY_HAND = {"vit": (tiny.vit, run_vit), "swin": (tiny.swin, run_swin), "convnext": (tiny.convnext, run_convnext)}


@pytest.fixture(scope="module", params=BY_HAND)
def subject(request: pytest.FixtureRequest) -> tuple[VisionModel, Callable[..., tuple[Tensor, Tensor]]]:
    """A model, and its blocks by hand. Fresh biases and scales would be zeros and ones, so all weights are random."""
    build, by_hand = BY_HAND[request.param]
    return tiny.wrapped(randomise(build())), by_hand


@torch.no_grad()
def test_looks_at_what_a_block_does(subject, pixels) -> None:
    model, by_hand = subject
    for site in find_sites(model, 0):
        hidden = model.enter(pixels, site.block)
        inputs, after = by_hand(model.module.get_submodule(model.blocks[site.block].name), hidden)
        seen = look(model, site, hidden)
        torch.testing.assert_close(seen.inputs, inputs)
        torch.testing.assert_close(seen.outputs, after)


@torch.no_grad()
def test_hands_on_what_enters_the_next_block(subject, pixels) -> None:
    model, _ = subject
    *lower, top = find_sites(model, 0)
    for site in lower:
        hidden, following = (model.enter(pixels, block) for block in (site.block, site.block + 1))
        for found in (step(model, site, hidden), look(model, site, hidden).following):
            assert found is not None
            assert torch.equal(found, following)
    hidden = model.enter(pixels, top.block)
    assert step(model, top, hidden) is None
    assert look(model, top, hidden).following is None


def test_looking_leaves_no_hook_behind(subject, pixels) -> None:
    model, _ = subject
    site = find_sites(model, 1)[0]
    look(model, site, model.enter(pixels, site.block))
    gain(model, site, model.enter(pixels, site.block))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.module.modules())


def test_sites_are_the_last_linear_layers_from_a_block_on() -> None:
    model = tiny.wrapped(tiny.vit())
    assert find_sites(model, 2) == (Site(2, "vit.layers.2.mlp.fc2"), Site(3, "vit.layers.3.mlp.fc2"))
    assert find_sites(model, 4) == ()


@torch.no_grad()
def test_sees_into_torchs_fused_encoder_and_through_tuples() -> None:
    images = torch.randn(3, 3, 32, 32)
    for module in (EncoderViT(10), SequentialViT(10)):
        model = VisionModel(randomise(module), tiny.CLASSES, preprocess=tiny.preprocess(32))
        low, top = find_sites(model, 1)
        seen = look(model, low, model.enter(images, low.block))
        assert seen.inputs.shape == (3, 17, 40)
        assert seen.following is not None
        torch.testing.assert_close(seen.following, model.enter(images, top.block), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(seen.outputs, seen.following)
        last = look(model, top, seen.following).outputs
        last = module.norm(last) if isinstance(module, EncoderViT) else last
        torch.testing.assert_close(module.head(last[:, 0]), model(images).logits, rtol=1e-4, atol=1e-4)


def test_blocks_must_be_there(pixels) -> None:
    model = tiny.wrapped(tiny.vit())
    with pytest.raises(NoBlocksError):
        step(model, Site(4, "vit.layers.3.mlp.fc2"), model.enter(pixels, 3))


@pytest.mark.parametrize("shape", [(2, 15, 4), (2, 4, 3, 5), (2, 3, 5, 4)], ids=["tokens", "channels first", "last"])
def test_tokens_and_maps_become_positions(shape) -> None:
    values = torch.arange(2 * 15 * 4).view(2, 15, 4).float()
    given = values.view(2, 3, 5, 4).movedim(-1, 1) if shape[1] == 4 else values.view(shape)
    assert given.shape == shape
    assert torch.equal(by_position(given, 2, 4), values)


class TestGain:
    def test_one_where_the_block_adds_what_the_layer_writes(self, pixels) -> None:
        for build in (tiny.vit, tiny.swin):
            model = tiny.wrapped(randomise(build()))
            for site in find_sites(model, 0):
                found = gain(model, site, model.enter(pixels, site.block))
                assert found.exact
                torch.testing.assert_close(found.values, torch.ones_like(found.values), rtol=1e-4, atol=0)

    @pytest.mark.parametrize("build", [tiny.convnext, tiny.dinov2])
    def test_the_scale_where_there_is_one(self, build) -> None:
        module = build()
        model = tiny.wrapped(randomise(module))
        scales = {
            name.rpartition(".layer_scale")[0]: parameter.detach()
            for name, parameter in module.named_parameters()
            if name.endswith(("layer_scale_parameter", "layer_scale2.lambda1"))
        }
        for site in find_sites(model, 0):
            found = gain(model, site, model.enter(tiny.draw_images(1, 0)[0], site.block))
            assert found.exact
            torch.testing.assert_close(found.values, scales[model.blocks[site.block].name], rtol=1e-3, atol=1e-5)

    def test_a_mean_where_a_norm_comes_between(self, pixels) -> None:
        module = randomise(tiny.swin_v2())
        model = tiny.wrapped(module)
        for site in find_sites(model, 0):
            hidden = model.enter(pixels, site.block)
            found = gain(model, site, hidden)
            assert not found.exact
            assert found.values.isfinite().all()

    def test_does_not_hang_on_what_the_layer_writes_now(self, pixels) -> None:
        model = tiny.wrapped(randomise(tiny.convnext()))
        site = find_sites(model, 3)[0]
        hidden = model.enter(pixels, 3)
        before = gain(model, site, hidden).values
        model.linear(site.layer).weight.data.mul_(-2.0)
        torch.testing.assert_close(gain(model, site, hidden).values, before, rtol=1e-3, atol=1e-5)

    def test_the_inverse_writes_nothing_to_a_deaf_channel(self) -> None:
        found = Gain(
            torch.tensor([2.0, -0.5, 0.9 * 2.0 * LEAST_SHARE_HEARD, 0.0, 1.1 * 2.0 * LEAST_SHARE_HEARD]), exact=True
        ).inverse()
        assert found.tolist() == pytest.approx([0.5, -2.0, 0.0, 0.0, 1 / (1.1 * 2.0 * LEAST_SHARE_HEARD)])


def run_resnet(block, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The windows of the last convolution, the sum before the activation, and the norm's scale."""
    first, last = block.layer
    maps = first(hidden)
    norm = last.normalization
    after = block.shortcut(hidden) + norm(last.convolution(maps))
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return unfold(maps, 3, padding=1).transpose(1, 2), after.flatten(2).transpose(1, 2), scale


def run_inverted(block, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same of an inverted residual, whose sum is what it returns."""
    maps, norm = block.body[:6](hidden), block.body[7]
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return maps.flatten(2).transpose(1, 2), block(hidden).flatten(2).transpose(1, 2), scale


def run_convolution(block, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same of a convolution by itself."""
    after = block(hidden).flatten(2).transpose(1, 2)
    inputs = unfold(hidden, block.kernel_size, padding=block.padding, stride=block.stride).transpose(1, 2)
    return inputs, after, torch.ones(after.shape[-1])


CONVOLUTIONAL = {
    "resnet": (tiny.resnet, lambda *given: run_resnet(*given)),
    "mobilenet": (
        tiny.mobilenet,
        lambda block, hidden: (run_inverted if hasattr(block, "body") else run_convolution)(block, hidden),
    ),
    "plain": (tiny.plain_cnn, lambda *given: run_convolution(*given)),
}


class TestConvolutions:
    @pytest.fixture(params=CONVOLUTIONAL)
    def subject(self, request: pytest.FixtureRequest) -> tuple[VisionModel, Callable[..., tuple[Tensor, ...]]]:
        build, by_hand = CONVOLUTIONAL[request.param]
        return tiny.wrapped(convolutional.randomise(build())), by_hand

    @torch.no_grad()
    def test_inputs_are_windows_and_the_stream_is_the_sum(self, subject, pixels) -> None:
        model, by_hand = subject
        for site in find_sites(model, 0):
            hidden = model.enter(pixels, site.block)
            inputs, after, _ = by_hand(model.module.get_submodule(model.blocks[site.block].name), hidden)
            seen = look(model, site, hidden)
            torch.testing.assert_close(seen.inputs, inputs, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(seen.outputs, after, rtol=1e-4, atol=1e-5)
            at = torch.tensor([[0, 3]] * len(pixels))
            assert torch.equal(look(model, site, hidden, at).inputs, seen.inputs[:, [0, 3]])
            if seen.following is not None:
                torch.testing.assert_close(seen.following, model.enter(pixels, site.block + 1))

    @torch.no_grad()
    def test_the_gain_is_the_scale_of_the_norm_that_follows(self, subject, pixels) -> None:
        model, by_hand = subject
        for site in find_sites(model, 0):
            hidden = model.enter(pixels, site.block)
            *_, scale = by_hand(model.module.get_submodule(model.blocks[site.block].name), hidden)
            found = gain(model, site, hidden)
            assert found.exact
            torch.testing.assert_close(found.values, scale, rtol=1e-3, atol=1e-4)

    @torch.no_grad()
    def test_a_change_of_the_weight_moves_the_stream_as_the_gain_says(self, subject, pixels) -> None:
        model, _ = subject
        for site in find_sites(model, 0):
            hidden, weight = model.enter(pixels, site.block), model.layer(site.layer).matrix
            before, known = look(model, site, hidden), gain(model, site, hidden)
            change = 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
            weight += change
            moved = look(model, site, hidden).outputs - before.outputs
            weight -= change
            torch.testing.assert_close(moved, before.inputs @ change.T * known.values, rtol=1e-2, atol=1e-3)

    def test_a_convolution_that_scales_its_weight_by_itself_is_refused(self, pixels) -> None:
        class Standardised(nn.Conv2d):
            def forward(self, input: Tensor) -> Tensor:
                return self._conv_forward(input, self.weight / self.weight.std(), self.bias)

        module = tiny.plain_cnn()
        module.add_module("6", Standardised(16, 24, 3, 2, 1))
        model = tiny.wrapped(module)
        site = find_sites(model, 2)[0]
        with pytest.raises(ModelError, match="'6' of model, a Standardised, does not give its weight times"):
            gain(model, site, model.enter(pixels, site.block))

    @torch.no_grad()
    def test_the_stream_is_heard_before_an_activation_that_is_no_module(self, pixels) -> None:
        class Functional(tiny.Inverted):
            def forward(self, x: Tensor) -> Tensor:
                return relu(super().forward(x))

        module = tiny.mobilenet()
        for name in ("5", "6"):
            module.add_module(name, Functional(16, 16))
        model = tiny.wrapped(convolutional.randomise(module))
        block = next(i for i, block in enumerate(model.blocks) if block.name == "6")
        site = find_sites(model, block)[0]
        assert model.blocks[block].stream == "6"
        hidden = model.enter(pixels, block)
        part = module.get_submodule("6")
        assert isinstance(part, Functional)
        before = hidden + part.body(hidden)
        torch.testing.assert_close(look(model, site, hidden).outputs, before.flatten(2).transpose(1, 2))
        assert "forward" not in vars(part)
        assert gain(model, site, hidden).exact

    @torch.no_grad()
    def test_a_stream_behind_an_activation_has_a_mean_gain(self, pixels) -> None:
        model = tiny.wrapped(convolutional.randomise(tiny.resnet()))
        blocks = [replace(block, stream=None) for block in model.blocks]
        behind = VisionModel(model.module, tiny.CLASSES, preprocess=tiny.preprocess(), blocks=blocks)
        site = find_sites(behind, 3)[0]
        hidden = behind.enter(pixels, 3)
        assert not gain(behind, site, hidden).exact
        assert gain(model, site, hidden).exact
