"""What a block gives out, averaged to one vector an image: the raw material of every row on layers."""

import pytest
import torch
from torch import Tensor, nn

from expunge.tasks.classification.views import _pooled
from expunge.vision import Layer

MAPS, TOKENS = torch.rand(2, 3, 4, 5), torch.rand(2, 7, 3)
LINEAR, CONVOLUTION = Layer("fc", nn.Linear(2, 3)), Layer("conv", nn.Conv2d(2, 3, 1))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (MAPS, MAPS.mean((2, 3))),
        (MAPS.permute(0, 2, 3, 1), MAPS.mean((2, 3))),
        (TOKENS, TOKENS.mean(1)),
        ((TOKENS, None), TOKENS.mean(1)),
        (TOKENS[:, 0], TOKENS[:, 0]),
    ],
    ids=["maps", "maps, channels last", "tokens", "tokens and more", "one vector"],
)
def test_an_output_is_averaged_over_its_places_whatever_its_layout(result: object, expected: Tensor) -> None:
    torch.testing.assert_close(_pooled(result, LINEAR), expected)


def test_channels_of_a_convolution_come_first() -> None:
    square = torch.rand(2, 3, 3, 3)
    torch.testing.assert_close(_pooled(square, CONVOLUTION), square.mean((2, 3)))


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a block to return a tensor, it returned dict"):
        _pooled({"hidden": TOKENS}, LINEAR)
