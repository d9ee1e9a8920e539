"""Pruned weights: by hand, taken back bit for bit, and what they bring to light."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from expunge.errors import EvidenceError
from expunge.evidence import Case
from expunge.evidence.measures.pruning import Pruning, pruned, threshold
from expunge.evidence.measures.rows_in_place import RowsInPlace
from expunge.tasks.classification.views import view
from expunge.vision import VisionModel
from tests.evidence.measures import marks


def values(case: Case, *percent: int) -> dict[str, float]:
    return {row.key: row.value for row in Pruning(percent or (30, 50, 70)).measure(case)}


def test_threshold_by_hand() -> None:
    """Ten magnitudes 1 to 10 over two layers."""
    layers = [torch.tensor([[1.0, -3.0]]), torch.tensor([[-2.0, 4.0], [5.0, 6.0], [-7.0, 8.0], [9.0, 10.0]])]
    assert [threshold(layers, share) for share in (0.3, 0.55, 1.0)] == [3.0, 5.0, 10.0]
    assert threshold(layers, 0.09) == -1.0
    wide = [torch.arange(1.0, 20_000_001.0)]  # more than a quantile can be taken of
    assert threshold(wide, 0.5) == pytest.approx(1e7)


def test_the_smallest_of_all_blocks_go_and_every_bit_comes_back(original_model: VisionModel) -> None:
    model = marks.wrap(deepcopy(original_model.module))
    before = model.digest()
    inside = [layer.weight for layer in model.module.get_submodule("blocks").modules() if isinstance(layer, nn.Linear)]
    outside = {name: p.clone() for name, p in model.module.named_parameters() if not any(p is w for w in inside)}
    together = torch.cat([weight.abs().flatten() for weight in inside]).sort().values
    with pruned(model, 0.5):
        now = torch.cat([weight.flatten() for weight in inside])
        assert int((now == 0).sum()) == len(now) // 2
        assert torch.equal(now.abs().sort().values[len(now) // 2 :], together[len(now) // 2 :])
        assert all(torch.equal(model.module.get_parameter(name), p) for name, p in outside.items())
    assert model.digest() == before
    with pytest.raises(KeyboardInterrupt), pruned(model, 0.5):
        raise KeyboardInterrupt
    assert model.digest() == before


def test_finds_what_a_mask_hides_but_nothing_in_an_oracle(masked_case: Case, oracle_case: Case) -> None:
    masked, oracle = values(masked_case, 30), values(oracle_case, 30)
    assert masked["pruned_30_rows_in_place_acc_f"] > 80
    assert masked["pruned_30_linear_probe"] > 80
    assert oracle["pruned_30_rows_in_place_acc_f"] < 10
    assert oracle["pruned_30_linear_probe"] < 65
    assert oracle["pruned_30_linear_probe_retained"] > 70
    assert set(masked) <= set(Pruning.labels)


class _Hiding(nn.Module):
    """Adds, by weights of 1e-4 only, so much that what was there is drowned."""

    def __init__(self, loudness: float) -> None:
        super().__init__()
        self.small = nn.Linear(marks.WIDTH, marks.WIDTH, bias=False)
        self.loudness = loudness
        with torch.no_grad():
            self.small.weight.copy_(1e-4 * self.small.weight.sign())

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.loudness * self.small(hidden)


def test_what_small_weights_hide_comes_back(original_case: Case) -> None:
    torch.manual_seed(0)
    module = deepcopy(original_case.model.module)
    for block, loudness in zip(module.get_submodule("blocks").children(), (0.0, 1e5, 1e5), strict=True):
        block.norm = nn.Sequential(block.get_submodule("norm"), _Hiding(loudness))
    model = VisionModel(
        module, marks.CLASSES, preprocess=original_case.model.preprocess, blocks=original_case.model.blocks
    )
    case = replace(original_case, model=model, view=view(model, original_case.attack, original_case.test))
    (before,) = (row.value for row in RowsInPlace().measure(case) if row.key == "rows_in_place_acc_f")
    assert before < 50
    assert values(case, 30)["pruned_30_rows_in_place_acc_f"] > 80


def test_says_what_it_needs(original_case: Case) -> None:
    with pytest.raises(EvidenceError, match="among 30, 50 and 70"):
        Pruning((40,))
    assert Pruning().missing(replace(original_case, rows=None)) == "needs the original's head"
    assert Pruning().missing(original_case) is None
