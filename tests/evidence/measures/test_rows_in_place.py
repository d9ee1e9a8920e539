"""The original's rows put back: what is only struck comes back whole, and an oracle keeps its own head."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from expunge.adapters import Edit, EditStack
from expunge.errors import EvidenceError
from expunge.evidence import Case
from expunge.evidence.measures.rows_in_place import RowsInPlace
from expunge.tasks.rows import HeadRows
from expunge.tasks.views import Observed, View
from expunge.vision import CosFaceHead
from expunge.vision.classifiers import CosineClassifier
from tests.evidence.measures import marks


def values(case: Case) -> dict[str, float]:
    return {row.key: row.value for row in RowsInPlace().measure(case)}


def test_a_struck_row_hides_nothing(original_case: Case, masked_case: Case) -> None:
    original, masked = values(original_case), values(masked_case)
    assert masked["rows_in_place_acc_f"] == original["rows_in_place_acc_f"] > 80
    assert masked["rows_in_place_acc_o"] == original["rows_in_place_acc_o"] > 80
    assert masked["rows_in_place_h"] == original["rows_in_place_h"] == 0


def test_cannot_fire_on_the_oracle(oracle_case: Case) -> None:
    rows = values(oracle_case)
    assert rows["rows_in_place_acc_f"] == rows["rows_in_place_acc_o"] == 0
    assert rows["rows_in_place_h"] > 80
    assert set(rows) <= set(RowsInPlace.labels)


def test_only_forgotten_columns_are_put_back_by_hand(original_case: Case) -> None:
    """Of two features the head gives the first to class 0, the second to class 4, and nothing to the others."""
    head = nn.Linear(2, 6, bias=False)
    with torch.no_grad():
        head.weight.zero_()[0, 0] = head.weight[4, 1] = 1.0
    embedding = torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, 3.0], [3.0, 0.0]])
    said = torch.zeros(4, 6)
    said[:, 2] = 2.0  # class 2 wins unless a row that is put back says more
    labels = torch.tensor([0, 0, 4, 2])
    seen, known = Observed(embedding, said, labels), Observed(embedding, 9 * torch.eye(6)[labels], labels)
    case = replace(original_case, view=View(seen, seen), original=View(known, known), rows=HeadRows(head, 2))
    rows = values(case)
    # 3 of class 0 beats 2, 1 does not; class 4 is found; the image of class 2 is now taken for class 0.
    assert rows == {"rows_in_place_acc_f": 50.0, "rows_in_place_acc_o": 100.0, "rows_in_place_h": 0.0}
    assert values(replace(case, earlier=(), retain=(1, 2, 3, 4, 5)))["rows_in_place_acc_f"] == 50.0
    several = values(replace(case, forget=(0, 4), earlier=()))
    assert several["rows_in_place_acc_f_worst"] == 100.0
    assert torch.equal(seen.logits, said)


@pytest.mark.parametrize("head", [nn.Linear(marks.WIDTH, 6, bias=False), CosineClassifier(marks.WIDTH, 6)])
def test_the_kept_head_is_the_model_s_own_whatever_an_edit_does(head: nn.Module, original_case: Case) -> None:
    kind = {"head": CosFaceHead()} if isinstance(head, CosineClassifier) else {}
    model = marks.wrap(marks.MarkReader(deepcopy(head)), **kind)
    rows, pixels = HeadRows.of(model), torch.randn(5, 3, marks.SIDE, marks.SIDE)
    with torch.no_grad():
        before = model(pixels)
        EditStack(model).push(Edit(masked=(0, 4)))
        after = model(pixels)
    assert (after.logits[:, 0] < -9000).all()
    torch.testing.assert_close(rows.put_back(after.logits, after.embedding, (0, 4)), before.logits)


def test_says_what_it_needs(original_case: Case) -> None:
    assert RowsInPlace().missing(original_case) is None
    assert RowsInPlace().missing(replace(original_case, rows=None)) == "needs the original's head"
    other = HeadRows(nn.Linear(3, 6), 3)
    assert RowsInPlace().missing(replace(original_case, rows=other)) == "needs embeddings as wide as the original's"
    with pytest.raises(EvidenceError, match="Expected embeddings of width 3"):
        other.read(torch.zeros(2, 4))
    none = replace(original_case, forget=(), earlier=())
    assert RowsInPlace().missing(none) == "needs test images of a forgotten class"
