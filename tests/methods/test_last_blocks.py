"""How far down an edit reaches."""

import pytest

from expunge.methods.training import lowest_block


@pytest.mark.parametrize(("last_blocks", "lowest"), [(0, 0), (1, 2), (2, 1), (3, 0), (9, 0)])
def test_none_and_too_many_stand_for_all(last_blocks, lowest, toy_model) -> None:
    assert len(toy_model.blocks) == 3
    assert lowest_block(toy_model, last_blocks) == lowest
