"""Cells that must not be compared with each other are found."""

from expunge.bench._results import Cell
from expunge.bench.consistency import mixed
from tests.bench.made_up import cell, rate, request


def row(method: str, before: float, *, probe: float = 90.0, gone: float = 10.0, **fields: object) -> Cell:
    """A cell of two requests whose base model knew `before` % of what each takes."""
    kept, drop = 80.0, before - gone
    h = 0.0 if method == "original" else 2 * kept * drop / (kept + drop)
    acc_f = before if method == "original" else gone
    readings = {"acc_f": rate(acc_f), "acc_r": rate(kept), "h": rate(h), "linear_probe": rate(probe)}
    made = cell(method, 0, [request(number, readings) for number in (1, 2)], base="")
    return made.model_copy(update=fields)


def said(*cells: Cell) -> list[str]:
    return [str(one) for one in mixed(cells)]


def test_one_base_model_is_in_order() -> None:
    assert said(row("original", 92.5), row("ewc", 92.5), row("ewc", 92.5, gone=40.0), row("head-mask", 92.52)) == []


def test_a_method_whose_model_knew_something_else_is_named() -> None:
    found = said(row("original", 92.5), row("ewc", 93.0), row("lwf", 92.5))
    assert found == ["faces, replay, seed 0: the base model's Acc_f differs from that of original in ewc"]


def test_other_seeds_and_settings_may_have_other_models() -> None:
    assert said(row("original", 92.5), row("ewc", 80.0, setting="4-shot"), row("ewc", 70.0, seed=1)) == []


def test_where_h_is_zero_nothing_is_known() -> None:
    nothing = row("ewc", 10.0)
    assert nothing.requests[0].readings["h"].value == 0
    assert said(row("original", 92.5), nothing) == []


def test_the_head_masks_probe_is_the_originals() -> None:
    other = row("head-mask", 92.5, probe=88.0)
    assert said(row("original", 92.5), other) == [
        "faces, replay, seed 0: the linear probe of head-mask differs from that of original"
    ]
    assert said(row("original", 92.5), row("ewc", 92.5, probe=88.0)) == []


def test_digests_are_believed() -> None:
    ours, same, other = (row(name, 92.5, base=digest) for name, digest in (("ewc", "a"), ("lwf", "a"), ("l2", "b")))
    assert said(row("original", 92.5), ours, same) == []
    assert said(row("original", 90.0, base="a"), ours, same) == []
    assert said(ours, same, other) == ["faces, replay, seed 0: base models of different weights"]


def test_oracles_too() -> None:
    ours, other = (row(name, 92.5, oracles={1: "c", 2: digest}) for name, digest in (("ewc", "a"), ("lwf", "b")))
    assert said(ours, row("l2", 92.5, oracles={1: "c"})) == []
    assert said(ours, other) == ["faces, replay, seed 0: oracles of different weights"]
