"""A layer as a matrix: what it makes of its inputs by multiplication is what it gives when it is called."""

import pytest
import torch
from torch import Tensor, nn

from expunge.errors import ModelError
from expunge.vision import Layer
from expunge.vision.layer import find_layer

CONVOLUTIONS = {
    "1 x 1": nn.Conv2d(4, 6, 1),
    "3 x 3": nn.Conv2d(4, 6, 3, padding=1),
    "no border": nn.Conv2d(4, 6, 3, bias=False),
    "strides": nn.Conv2d(4, 6, (3, 2), stride=(2, 3), padding=(1, 0)),
    "dilation": nn.Conv2d(4, 6, 3, padding=2, dilation=2),
    "groups": nn.Conv2d(4, 6, 3, padding=1, groups=2),
    "same, even kernel": nn.Conv2d(4, 6, (2, 4), padding="same", dilation=2),
    "valid": nn.Conv2d(4, 6, 3, padding="valid"),
    "reflected": nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
    "circular": nn.Conv2d(4, 6, 3, padding="same", padding_mode="circular"),
}


@pytest.mark.parametrize("conv", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@torch.no_grad()
def test_a_convolution_is_its_matrix_times_its_windows(conv: nn.Conv2d) -> None:
    layer, x = Layer("conv", conv), torch.randn(2, 4, 7, 8)
    written = layer.outputs(conv(x), 2)
    torch.testing.assert_close(layer.apply(layer.inputs(x, 2)), written)
    at = torch.tensor([[0, 3, 3], [5, 1, 2]])
    some = layer.outputs(conv(x), 2, at)
    torch.testing.assert_close(layer.apply(layer.inputs(x, 2, at)), some)
    assert torch.equal(some[1, 0], written[1, 5])
    assert (layer.width, layer.fan_in) == layer.matrix.shape


def test_a_window_holds_its_values_channel_by_channel() -> None:
    """By hand: a 2 x 2 kernel at the second position of a 3 x 3 map of two channels, 0 to 8 and 10 to 18."""
    x = torch.stack([torch.arange(9.0), torch.arange(10.0, 19.0)]).view(1, 2, 3, 3)
    rows = Layer("conv", nn.Conv2d(2, 1, 2)).inputs(x, 1)
    assert rows.shape == (1, 4, 8)
    assert rows[0, 1].tolist() == [1, 2, 4, 5, 11, 12, 14, 15]


@torch.no_grad()
def test_a_linear_layer_is_its_matrix_times_its_tokens() -> None:
    linear = nn.Linear(4, 6)
    layer, windows = Layer("fc", linear), torch.randn(6, 5, 4)  # three windows of each of two images
    torch.testing.assert_close(layer.apply(layer.inputs(windows, 2)), layer.outputs(linear(windows), 2))
    assert torch.equal(layer.inputs(windows, 2), windows.view(2, 15, 4))
    assert layer.matrix.data_ptr() == linear.weight.data_ptr()


def test_channels_of_a_square_map_come_first() -> None:
    """As many channels as columns would leave open which is which, were it not a convolution."""
    maps = torch.arange(32.0).view(1, 2, 4, 4)[:, :, :2, :2]
    assert torch.equal(Layer("conv", nn.Conv2d(3, 2, 1)).outputs(maps, 1)[0], maps[0].flatten(1).T)


def test_what_is_written_to_the_matrix_is_written_to_the_layer() -> None:
    conv = nn.Conv2d(4, 6, 3).requires_grad_(False)
    Layer("conv", conv).matrix[2, 10] = 7.0
    assert conv.weight[2, 1, 0, 1] == 7.0  # 10 = 1 · 9 + 0 · 3 + 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("norm", "it is BatchNorm2d"),
        ("missing", "no attribute"),
        ("depthwise", "depthwise convolution: each channel reads itself alone"),
    ],
)
def test_what_is_no_matrix_is_refused(name: str, message: str) -> None:
    module = nn.ModuleDict({"norm": nn.BatchNorm2d(3), "depthwise": nn.Conv2d(4, 8, 3, groups=4)})
    with pytest.raises(ModelError, match=message):
        find_layer(module, name, "toy")


def test_gradients_reach_the_map_through_its_windows() -> None:
    x: Tensor = torch.randn(1, 2, 3, 3, requires_grad=True)
    Layer("conv", nn.Conv2d(2, 1, 2)).inputs(x, 1).sum().backward()
    assert x.grad is not None
    assert x.grad[0, 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]  # how many windows each value lies in
