"""Blocks found by structure: what counts as a feed-forward network, and what as its block."""

import pytest
from torch import nn

from expunge.errors import NoBlocksError
from expunge.values import Block
from expunge.vision import find_blocks
from tests.vision.conftest import wrap
from tests.vision.handmade import Cnn, EncoderViT, OutsideResidualViT


class Layers(nn.Module):
    """A block of Linear layers, given by their shapes in order."""

    def __init__(self, *shapes: tuple[int, int]) -> None:
        super().__init__()
        for index, shape in enumerate(shapes):
            self.add_module(f"l{index}", nn.Linear(*shape))


def stack(*shapes: tuple[int, int], depth: int = 2) -> nn.Module:
    return nn.ModuleDict({"layers": nn.ModuleList(Layers(*shapes) for _ in range(depth))})


def linears(module: nn.Module) -> list[str]:
    """Names of the first block's FFN layers within the block."""
    block = find_blocks(module)[0]
    return [name.removeprefix(f"{block.name}.") for name in block.linears]


ATTENTION = ((8, 8),) * 4


@pytest.mark.parametrize(
    ("shapes", "found"),
    [
        (((8, 32), (32, 8)), ["l0", "l1"]),
        ((*ATTENTION, (8, 32), (32, 8)), ["l4", "l5"]),
        (((8, 24), (8, 8), (8, 32), (32, 8)), ["l2", "l3"]),  # q, k and v in one layer
        (((8, 8), (8, 16), (8, 8), (8, 32), (32, 8)), ["l3", "l4"]),  # k and v in one layer, as wide as 2d
        (((8, 12), (8, 12), (8, 12), (12, 8), (8, 32), (32, 8)), ["l4", "l5"]),  # wide attention
        (((8, 12), (8, 4), (8, 4), (12, 8), (8, 32), (32, 8)), ["l4", "l5"]),  # shared keys and values
        (((8, 24), (8, 24), (24, 8)), ["l0", "l1", "l2"]),  # gated pair
        (((8, 48), (24, 8)), ["l0", "l1"]),  # gate and value in one layer
        (((4, 6), (6, 4), (8, 32), (32, 8)), ["l0", "l1", "l2", "l3"]),  # a mixer has two FFNs a block
    ],
)
def test_feed_forward_networks_are_told_from_attention(shapes: tuple[tuple[int, int], ...], found: list[str]) -> None:
    assert linears(stack(*shapes)) == found


@pytest.mark.parametrize(
    "shapes",
    [
        ATTENTION,
        ((8, 12), (8, 12), (8, 12), (12, 8)),
        ((8, 32), (32, 16)),  # does not come back to its width
        ((8, 32), (16, 8)[::-1], (16, 4)),
        ((32, 8), (8, 32)),  # a bottleneck adapter
    ],
)
def test_other_layers_are_no_feed_forward_network(shapes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(NoBlocksError):
        find_blocks(stack(*shapes))


def ffn() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 8))


def test_a_sequential_ffn_is_not_its_own_block() -> None:
    module = nn.Sequential(*(nn.Sequential(nn.LayerNorm(8), ffn()) for _ in range(2)))
    assert find_blocks(module) == (Block("0", ("0.1.0", "0.1.2")), Block("1", ("1.1.0", "1.1.2")))


def test_a_list_of_lists_has_no_callable_block_but_the_ffn_holder() -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = ffn()

    module = nn.Sequential(nn.ModuleList(nn.ModuleList([nn.LayerNorm(8), Holder()]) for _ in range(2)))
    assert [block.name for block in find_blocks(module)] == ["0.0.1", "0.1.1"]


def test_stages_of_one_block_count_together() -> None:
    stage = lambda width: nn.ModuleList([Layers((width, 4 * width), (4 * width, width))])  # noqa: E731
    module = nn.ModuleDict({"first": stage(8), "second": stage(16)})
    assert [block.name for block in find_blocks(module)] == ["first.0", "second.0"]


def test_an_ffn_outside_every_list_is_ignored() -> None:
    module = nn.ModuleDict({"pool": Layers((8, 32), (32, 8)), "layers": EncoderViT(5).encoder})
    assert [block.name for block in find_blocks(module)] == [f"layers.layers.{index}" for index in range(3)]


def test_a_block_must_repeat() -> None:
    with pytest.raises(NoBlocksError, match="found 2 Linear layers, 1 such network and 1 ModuleList"):
        find_blocks(stack((8, 32), (32, 8), depth=1))


def test_a_cnn_has_no_blocks_and_the_message_says_what_was_looked_for() -> None:
    with pytest.raises(NoBlocksError, match=r"in Cnn\. Looked for .* found 1 Linear layer, 0 such networks and 4"):
        find_blocks(Cnn(5))


def test_blocks_can_be_named_by_hand() -> None:
    chosen = [Block("encoder.layers.2", ("encoder.layers.2.linear2",))]
    assert wrap(EncoderViT(5), blocks=chosen).blocks == tuple(chosen)


@pytest.mark.parametrize("blocks", [[], [Block("encoder.layers.7", ())], [Block("encoder", ("encoder.nothing",))]])
def test_blocks_named_by_hand_must_be_there(blocks: list[Block]) -> None:
    with pytest.raises(NoBlocksError, match="not there"):
        wrap(EncoderViT(5), blocks=blocks)


def test_a_sequential_ffn_with_no_block_around_it_is_the_block() -> None:
    assert [block.name for block in find_blocks(OutsideResidualViT(5))] == ["layers.0.1", "layers.1.1"]
