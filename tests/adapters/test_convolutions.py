"""Low-rank changes of convolutions: as they train, as they are merged, and as PEFT reads them."""

import copy

import pytest
import torch
import transformers
from torch import nn

from expunge.adapters import Edit, EditStack, LoRAConv2d, LowRank, attached, load_edit, save_edit, to_edit
from expunge.errors import EditError
from expunge.vision import Layer, VisionModel
from tests.vision import convolutional
from tests.vision.conformance import pixels
from tests.vision.conftest import wrap
from tests.vision.convolutional import randomise

KERNELS = {
    "1 x 1": nn.Conv2d(4, 6, 1),
    "3 x 3": nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "dilation": nn.Conv2d(4, 6, 3, padding=2, dilation=2),
    "groups": nn.Conv2d(4, 6, 3, groups=2),
    "reflected": nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
}


@pytest.mark.parametrize("base", KERNELS.values(), ids=KERNELS)
@torch.no_grad()
def test_starts_as_the_base_and_computes_what_its_weight_says(base: nn.Conv2d) -> None:
    layer, x = LoRAConv2d(base, 2, 0.5, torch.Generator().manual_seed(0)), torch.randn(2, 4, 7, 7)
    assert torch.equal(layer(x), base(x))
    assert (layer.lora_a.shape, layer.lora_b.shape) == ((2, *base.weight.shape[1:]), (6, 2, 1, 1))
    nn.init.normal_(layer.lora_b)
    low = LowRank(layer.lora_a, layer.lora_b, 0.5)
    by_hand = sum(0.5 * low.b[:, rank].view(-1, 1, 1, 1) * low.a[rank] for rank in range(2))
    torch.testing.assert_close(low.delta().float(), by_hand)
    merged = copy.deepcopy(base)
    merged.weight += by_hand
    torch.testing.assert_close(layer(x), merged(x))
    torch.testing.assert_close(layer.weight, merged.weight)


def test_two_convolutions_one_after_the_other_give_the_same() -> None:
    """A with the kernel and B at one position, as PEFT runs them."""
    base = nn.Conv2d(4, 6, 3, stride=2, padding=1)
    layer, x = LoRAConv2d(base, 2, 0.5, torch.Generator().manual_seed(0)), torch.randn(2, 4, 7, 7)
    nn.init.normal_(layer.lora_b)
    inner = nn.functional.conv2d(x, layer.lora_a, stride=2, padding=1)
    torch.testing.assert_close(
        layer(x), base(x) + 0.5 * nn.functional.conv2d(inner, layer.lora_b), rtol=1e-4, atol=1e-5
    )


def test_modules_around_it_read_the_bases_kernel() -> None:
    layer = LoRAConv2d(nn.Conv2d(4, 6, 3, stride=2, dilation=3), 2, 0.5, torch.Generator().manual_seed(0))
    assert (layer.kernel_size, layer.stride, layer.dilation, layer.in_channels) == ((3, 3), (2, 2), (3, 3), 4)
    with pytest.raises(AttributeError, match="nothing"):
        _ = layer.nothing


@pytest.fixture
def model() -> VisionModel:
    return wrap(randomise(convolutional.resnet()))


@pytest.fixture
def edit(model: VisionModel) -> Edit:
    names = [name for block in model.blocks for name in block.linears]
    with attached(model.module, names, rank=3, scale=0.25, seed=1) as layers:
        generator = torch.Generator().manual_seed(2)
        for layer in layers.values():
            nn.init.normal_(layer.lora_b, std=0.1, generator=generator)
        return to_edit(layers)


@torch.no_grad()
def test_undo_gives_every_bit_back(model, edit) -> None:
    images, before = pixels(), model.digest()
    untouched = model(images).logits
    stack = EditStack(model)
    stack.push(edit)
    stack.push(Edit(dense={f"{name}.weight": low.delta().float() for name, low in edit.deltas.items()}))
    assert (model(images).logits - untouched).abs().max() > 0.01
    stack.undo(0)
    stack.undo()
    assert model.digest() == before


def test_round_trip(tmp_path, edit) -> None:
    save_edit(edit, tmp_path)
    found = load_edit(tmp_path)
    assert list(found.deltas) == list(edit.deltas)
    assert all(torch.equal(found.deltas[name].a, low.a) for name, low in edit.deltas.items())
    assert all(torch.equal(found.deltas[name].b, low.b) for name, low in edit.deltas.items())


@torch.no_grad()
def test_peft_itself_gives_the_same_logits(tmp_path, model, edit) -> None:
    peft = pytest.importorskip("peft")
    model.module.save_pretrained(tmp_path / "model")
    save_edit(edit, tmp_path / "edit")
    images = pixels()
    base = transformers.ResNetForImageClassification.from_pretrained(tmp_path / "model")
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "edit").eval()
    untouched = model(images).logits
    stack = EditStack(model)
    stack.push(edit)
    ours = model(images).logits
    assert (ours - untouched).abs().max() > 0.01
    torch.testing.assert_close(ours, theirs(images).logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours, theirs.merge_and_unload()(images).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:LoRA adapter added to ConvNd layer")
@torch.no_grad()
def test_peft_merges_dilated_convolutions_and_refuses_those_in_groups(tmp_path) -> None:
    peft = pytest.importorskip("peft")
    x, b = torch.randn(2, 4, 8, 8), torch.randn(6, 2, 1, 1)
    dilated = nn.Conv2d(4, 6, 3, dilation=2)
    module = nn.Sequential(dilated, nn.Conv2d(6, 6, 1)).eval()
    low = LowRank(torch.randn(2, 4, 3, 3), b, 0.5)
    save_edit(Edit({"0": low}), tmp_path / "dilated")
    merged = peft.PeftModel.from_pretrained(copy.deepcopy(module), tmp_path / "dilated").merge_and_unload()(x)
    Layer("0", dilated).weight.add_(low.delta().float())
    torch.testing.assert_close(module(x), merged, rtol=1e-4, atol=1e-4)
    grouped = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.Conv2d(6, 6, 1))
    save_edit(Edit({"0": LowRank(torch.randn(2, 2, 3, 3), b)}), tmp_path / "grouped")
    with pytest.raises(RuntimeError, match="size mismatch"):
        peft.PeftModel.from_pretrained(grouped, tmp_path / "grouped")


@pytest.mark.parametrize(
    ("a", "b"),
    [((2, 4, 3, 3), (6, 2)), ((2, 4, 3, 3), (6, 2, 3, 3)), ((2, 36), (6, 2)), ((2, 4, 1, 1), (6, 2, 1, 1))],
    ids=["flat B", "wide B", "flat", "other kernel"],
)
def test_factors_of_another_shape_are_refused(model, a, b) -> None:
    name = model.blocks[0].linears[-1]
    low = LowRank(torch.zeros(2, *model.layer(name).weight.shape[1:]), torch.zeros(model.layer(name).width, 2, 1, 1))
    stack = EditStack(model)
    stack.push(Edit({name: low}))  # this one fits
    with pytest.raises(EditError, match="shape"):
        stack.push(Edit({name: LowRank(torch.zeros(a), torch.zeros(b))}))
