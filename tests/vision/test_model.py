"""`VisionModel` beyond what every kind of model must do."""

import pytest
import torch
import transformers
from PIL import Image
from torch import Tensor, nn

from expunge.errors import ModelError, NoBlocksError
from expunge.vision import CosFaceHead, HeadedBackbone, VisionModel
from tests.vision.conformance import CLASSES, SIDE, pictures, pixels, randomise
from tests.vision.conftest import WIDTHS, tiny_dinov2, tiny_vit, wrap
from tests.vision.handmade import EncoderViT, OutsideResidualViT, SequentialViT


class Wrapper(nn.Module):
    """A layer with something added, as adapters put into models while they train."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.delta = nn.Parameter(0.3 * torch.randn_like(base.weight))

    @property
    def weight(self) -> Tensor:
        return self.base.weight + self.delta

    @property
    def bias(self) -> Tensor:
        return self.base.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.delta.T


def unfused(module: EncoderViT, values: Tensor) -> Tensor:
    """The same model without torch's fused path, a hand-written encoder layer."""
    hidden = module.patches(values)
    for layer in module.encoder.layers:
        assert isinstance(layer, nn.TransformerEncoderLayer)
        normed = layer.norm1(hidden)
        hidden = hidden + layer.self_attn(normed, normed, normed, need_weights=False)[0]
        inner = layer.norm2(hidden) @ layer.linear1.weight.T + layer.linear1.bias
        hidden = hidden + layer.linear2(nn.functional.gelu(inner))
    return module.head(module.norm(hidden)[:, 0])


@pytest.mark.parametrize("grad", [False, True])
def test_wrapped_layers_of_torchs_encoder_take_part(grad: bool) -> None:
    module = EncoderViT(5)
    model = wrap(randomise(module))
    before = model(pixels()).logits
    for layer in module.encoder.layers:
        layer.linear1 = Wrapper(layer.get_submodule("linear1"))  # pyright: ignore
    with torch.set_grad_enabled(grad):
        whole = model(pixels())
        expected = unfused(module, pixels())
        torch.testing.assert_close(whole.logits, expected, rtol=1e-4, atol=1e-4)
        assert (whole.logits - before).abs().max() > 0.01
        for block in range(3):
            rest = model.resume(model.enter(pixels(), block), block)
            torch.testing.assert_close(rest.logits, expected, rtol=1e-4, atol=1e-4)
    if grad:
        hidden = model.enter(pixels(), 2).detach()
        model.resume(hidden, 2).logits.square().sum().backward()
        deltas = [layer.linear1.delta.grad for layer in module.encoder.layers]  # pyright: ignore
        assert [delta is not None for delta in deltas] == [False, False, True]
        assert deltas[2].abs().max() > 0  # pyright: ignore


def test_layers_may_be_replaced_and_put_back() -> None:
    module = SequentialViT(5)
    model = wrap(randomise(module))
    before = model(pixels()).logits
    base = model.linear("blocks.1.ffn.4")
    module.get_submodule("blocks.1.ffn").add_module("4", Wrapper(base))
    assert not torch.equal(model(pixels()).logits, before)
    assert torch.equal(model.resume(model.enter(pixels(), 1), 1).logits, model(pixels()).logits)
    module.get_submodule("blocks.1.ffn").add_module("4", base)
    assert torch.equal(model(pixels()).logits, before)


def test_a_model_with_residuals_beside_its_blocks_works_but_cannot_go_on() -> None:
    model = wrap(randomise(OutsideResidualViT(5)))
    assert [block.name for block in model.blocks] == ["layers.0.1", "layers.1.1"]
    assert model(pixels()).logits.shape == (3, 5)
    for block in range(2):
        with pytest.raises(NoBlocksError, match="residual connection"):
            model.resume(model.enter(pixels(), block), block)


def test_a_model_that_cuts_images_up_before_its_blocks_works_but_cannot_go_on() -> None:
    """As MobileViT does: the number of images can no longer be told from the hidden states."""

    class Quartered(SequentialViT):
        def forward(self, pixels: Tensor) -> Tensor:
            hidden = self.patches(pixels)[:, 1:].unflatten(1, (4, 4)).flatten(0, 1)
            for block in self.blocks:
                hidden = block(hidden=hidden, scale=0.5)[0]
            return self.head(hidden.unflatten(0, (-1, 4)).mean((1, 2)))

    model = wrap(randomise(Quartered(5)))
    assert model(pixels()).logits.shape == (3, 5)
    with pytest.raises(NoBlocksError, match="cut up"):
        model.resume(model.enter(pixels(), 1), 1)


@pytest.mark.parametrize("block", [-1, 2])
def test_blocks_that_are_not_there_are_refused(headed: VisionModel, block: int) -> None:
    with pytest.raises(NoBlocksError, match="from 0 to 1"):
        headed.enter(pixels(), block)
    with pytest.raises(NoBlocksError, match="from 0 to 1"):
        headed.resume(torch.zeros(1, 17, 16), block)


def test_a_block_that_is_never_called_is_reported() -> None:
    class Lazy(EncoderViT):
        def forward(self, pixels: Tensor) -> Tensor:
            return self.head(self.patches(pixels)[:, 0])

    with pytest.raises(NoBlocksError, match=r"never calls its block encoder\.layers\.1"):
        wrap(Lazy(5)).enter(pixels(), 1)


def test_a_failed_forward_pass_leaves_no_trace() -> None:
    module = EncoderViT(5)
    model = wrap(module)
    with pytest.raises(RuntimeError):
        model.resume(torch.zeros(1, 17, 3), 1)
    with pytest.raises(RuntimeError):
        model.enter(torch.zeros(1, 5, 8, 8), 1)
    assert not [name for name, part in module.named_modules() if "forward" in vars(part)]


def test_a_forward_that_someone_else_replaced_is_kept() -> None:
    module = EncoderViT(5)
    model = wrap(randomise(module))
    layer = module.encoder.layers[0]
    original = layer.forward
    layer.forward = lambda hidden, *rest, **named: original(hidden, *rest, **named) + 1.0
    replaced = vars(layer)["forward"]
    assert torch.equal(model.resume(model.enter(pixels(), 1), 1).logits, model(pixels()).logits)
    assert vars(layer)["forward"] is replaced


def test_dinov2_takes_other_sizes_than_its_config() -> None:
    module = HeadedBackbone(tiny_dinov2(image_size=56), "cls", nn.Linear(16, 5))
    model = wrap(randomise(module), side=24)
    values = model.prepare([Image.new("L", (92, 112), 130), Image.new("RGB", (30, 30), "red")])
    assert values.shape == (2, 3, 24, 24)
    whole = model(values)
    for block in range(2):
        assert torch.equal(model.resume(model.enter(values, block), block).logits, whole.logits)


def test_swin_goes_on_at_another_size_when_told_so() -> None:
    config = transformers.SwinConfig(
        image_size=SIDE,
        patch_size=2,
        embed_dim=16,
        depths=[1, 2],
        num_heads=[2, 2],
        window_size=4,
        id2label=dict(enumerate(CLASSES)),
    )
    model = wrap(randomise(transformers.SwinForImageClassification(config)))
    values = pixels(side=48)[:, :, :, :40]
    whole = model(values)
    for block in range(3):
        rest = model.resume(model.enter(values, block), block, size=(48, 40))
        assert torch.equal(rest.logits, whole.logits)


def test_pictures_and_tensors_may_be_mixed(headed: VisionModel) -> None:
    picture, tensor = pictures()[0], torch.full((3, SIDE, SIDE), 0.25)
    values = headed.prepare([tensor, picture, tensor])
    assert torch.equal(values[0], tensor)
    assert torch.equal(values[2], tensor)
    assert torch.equal(values[1], headed.preprocess([picture])[0])


def test_no_images_are_no_pixels(headed: VisionModel) -> None:
    assert headed.prepare([]).shape == (0, 3, SIDE, SIDE)


def test_linear_layers_are_looked_up(headed: VisionModel) -> None:
    layer = headed.linear("backbone.encoder.layer.1.mlp.fc2")
    assert (layer.in_features, layer.out_features) == (64, 16)


@pytest.mark.parametrize("name", ["backbone.nothing", "backbone.encoder", "classifier", "classifier.weight", ""])
def test_what_is_no_linear_layer_is_refused(headed: VisionModel, name: str) -> None:
    with pytest.raises(ModelError, match="Expected a Linear layer"):
        headed.linear(name)


def test_the_loss_is_the_heads(headed: VisionModel) -> None:
    logits, labels = torch.randn(4, 5), torch.tensor([0, 1, 2, 3])
    assert headed.head == CosFaceHead(32.0, 0.2)
    assert headed.loss(logits, labels) == CosFaceHead(32.0, 0.2).loss(logits, labels)


def test_parameters_are_counted() -> None:
    module = tiny_vit()
    # patches 3·8·8·16+16, class token 16, positions 17·16, head 16·5+5, last norm 32;
    # a block: q, k, v, o 4·(16·16+16), FFN 16·32+32 + 32·16+16, two norms 64
    block = 4 * 272 + 544 + 528 + 64
    assert wrap(module).num_parameters == 3088 + 16 + 272 + 85 + 32 + 2 * block


def test_models_move(headed: VisionModel) -> None:
    assert headed.to("cpu") is headed
    assert headed.device == torch.device("cpu")
    assert headed.to(torch.device("meta")).device.type == "meta"


def test_vit_insists_on_its_own_size() -> None:
    with pytest.raises(ValueError, match="doesn't match model"):
        wrap(tiny_vit())(pixels(side=40))


def test_names_and_source_are_kept(headed: VisionModel) -> None:
    model = wrap(tiny_vit(), name="tiny")
    assert (model.name, model.source, model.classes) == ("tiny", None, CLASSES)
    assert WIDTHS["num_hidden_layers"] == len(model.blocks)
