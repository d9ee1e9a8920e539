"""The arithmetic of the watch, against numbers made by hand."""

import re
from typing import Any

import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification

from expunge.adapters import Edit, LowRank
from expunge.evidence.policy import Policy
from expunge.lifecycle import Point, Prices, warnings
from expunge.lifecycle._ladder import ladder
from expunge.lifecycle._records import Attempt
from expunge.lifecycle.applied import AppliedEdit, arranged
from expunge.lifecycle.economics import Economics
from expunge.lifecycle.interference import interference, overlaps
from expunge.lifecycle.watch import Earlier, drift
from expunge.lifecycle.watch_page import line, render_watch
from expunge.methods import GSLoRA, HeadMask
from expunge.methods.closed_form import ClosedForm
from expunge.vision import VisionModel, standard_preprocess
from tests.lifecycle.conftest import LENIENT
from tests.release.models import tiny

RULES = Policy.parse(LENIENT, source="test")  # Acc_o at most 20 %, Acc_r at most 20 points lower

ATTEMPT = Attempt(
    requests=("r-1",),
    targets=("amber",),
    step=0,
    method="head-mask",
    settings={},
    seed=0,
    data="images",
    base=(),
    edit="a" * 64,
    edit_sha256="b" * 64,
    images=(),
    started="2026-11-24T12:00:00Z",
    seconds=1.0,
)


def point(*, acc_r: float = 90.0, edits: int = 2, acc_o: tuple[float, ...] = (0.0, 0.0)) -> Point:
    return Point(
        time="2026-11-24T12:00:00Z",
        model="a" * 64,
        edits=edits,
        acc_r=acc_r,
        acc_r_original=90.0,
        acc_r_mask=90.0,
        n=100,
        earlier=tuple(Earlier(requests=(f"r-{i}",), accuracy=value, n=10) for i, value in enumerate(acc_o)),
        drift={"encoder.0": 0.0, "encoder.1": 0.01},
        seconds=1.0,
    )


def standing(seq: int, edit: Edit, key: str = "", request: str = "") -> AppliedEdit:
    return AppliedEdit(key or f"k{seq}", seq, (request or f"r-{seq}",), ATTEMPT, edit)


def change(name: str, model) -> Edit:
    layer = model.linear(name)
    return Edit(deltas={name: LowRank(torch.ones(1, layer.in_features), torch.ones(layer.out_features, 1), 1.0)})


def test_no_warning_far_from_every_limit() -> None:
    assert warnings([], RULES) == ()
    assert warnings([point(acc_r=76.0)], RULES) == ()  # 14 of 20 points: 70 %
    assert warnings([point(edits=0, acc_o=())], RULES) == ()


def test_a_warning_before_a_limit_is_crossed() -> None:
    (text,) = warnings([point(acc_r=74.0)], RULES)
    # 16 points after 2 edits is 8 an edit; 4 points are left, so the next edit crosses.
    assert "16.00" in text
    assert "limit of 20" in text
    assert "after 1 more edits" in text
    (text,) = warnings([point(acc_o=(40.0, 0.0))], RULES)  # 4 of 20 images
    assert re.search(r"Acc_o is 20\.00, near", text)
    (text,) = warnings([point(acc_o=(44.0, 0.0))], RULES)
    assert "above the policy's limit" in text


def test_drift_is_the_ratio_of_frobenius_norms() -> None:
    before, after = tiny(), tiny()
    name = after.blocks[1].linears[0]
    weight = after.linear(name).weight
    with torch.no_grad():
        weight[0, 0] += 3.0
        weight[1, 1] -= 4.0
    found = drift(before, after)
    whole = torch.cat([p.flatten() for p in before.module.get_submodule(before.blocks[1].name).parameters()])
    assert found[before.blocks[0].name] == 0.0
    assert found[before.blocks[1].name] == pytest.approx(5.0 / float(whole.norm()), rel=1e-5)


def test_interference_is_shared_blocks_of_later_edits() -> None:
    model = tiny()
    low, high = (change(block.linears[0], model) for block in model.blocks)
    gone, other, same = standing(5, low), standing(7, high), standing(9, low)
    blocks = [block.name for block in model.blocks]
    found = interference(gone, (standing(2, low), other, same), blocks)
    assert [(one.request, one.earlier, one.blocks) for one in found] == [("r-9", "r-5", (blocks[0],))]
    pairs = overlaps((standing(2, low), gone, other, same), blocks)
    assert [(one.earlier, one.request) for one in pairs] == [("r-2", "r-5"), ("r-2", "r-9"), ("r-5", "r-9")]


def test_edits_stand_in_the_order_in_which_they_were_made() -> None:
    edit = Edit(masked=(0,))
    mixed = (standing(9, edit, "b", "r-x"), standing(4, edit, "a", "r-y"), standing(5, edit, "a", "r-z"))
    assert [(one.key, one.seq, one.requests) for one in arranged(mixed)] == [
        ("a", 4, ("r-y", "r-z")),
        ("b", 9, ("r-x",)),
    ]


@pytest.fixture(scope="module")
def twelve() -> VisionModel:
    """A model of twelve blocks."""
    sizes: dict[str, Any] = {
        "hidden_size": 4,
        "num_attention_heads": 1,
        "intermediate_size": 8,
        "image_size": 8,
        "patch_size": 4,
    }
    config = ViTConfig(num_hidden_layers=12, **sizes)
    preprocess = standard_preprocess(8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return VisionModel(ViTForImageClassification(config), ["ant", "bee"], preprocess=preprocess)


def test_the_ladder_edits_more_blocks_then_trains_longer(twelve) -> None:
    assert [m.last_blocks for m in ladder(GSLoRA(last_blocks=4), twelve)] == [4, 8, 0]  # pyright: ignore[reportAttributeAccessIssue]
    longer = ladder(GSLoRA(max_steps=50), twelve)
    assert [(m.last_blocks, m.max_steps) for m in longer] == [(0, 50), (0, 100), (0, 200)]  # pyright: ignore[reportAttributeAccessIssue]
    assert ladder(HeadMask(), twelve) == (HeadMask(),)


def test_the_ladder_goes_down_by_depth(twelve) -> None:
    fast, default, thorough = (ClosedForm(depth=depth, passes=1) for depth in ("fast", "default", "thorough"))
    assert ladder(fast, twelve) == (fast, default, thorough)
    assert ladder(default, twelve) == (default, thorough)
    assert ladder(thorough, twelve) == (thorough,)
    assert ladder(default, tiny()) == (default, thorough)  # 1 of 2 blocks, then both


def test_the_ladder_ends_where_a_memory_begins(twelve) -> None:
    first = ClosedForm(depth="fast")
    assert [m.first_block(twelve) for m in ladder(first, twelve, lowest=3)] == [9, 6, 3]
    assert [m.first_block(twelve) for m in ladder(first, twelve, lowest=4)] == [9, 6]
    assert ladder(first, twelve, lowest=10) == (first,)


def test_the_page() -> None:
    assert line([100.0, 0.0, 50.0]) == "0.0,0.0 300.0,200.0 600.0,100.0"
    money = Economics(2, 60.0, 1000, 0.05, 0.5, 20.0, 480.0, 40.0)
    page = render_watch([point(), point(acc_r=80.0)], ["<b>near</b>"], money, Prices(8.0, 2.5, 12.0))
    assert "&lt;b&gt;near&lt;/b&gt;" in page
    assert "480.0 requests cost as much as one retraining" in page
    assert "r-1" in page
    assert "Nothing was released yet" in render_watch([], [], None, Prices(0.0, 1.0, 1.0))
