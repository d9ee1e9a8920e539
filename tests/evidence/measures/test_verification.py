"""People enrolled anew: by hand, and on embedders that must leak and that cannot."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from expunge.data import Images
from expunge.evidence import Case
from expunge.evidence.measures.verification import Verification, anew
from expunge.evidence.registry import measure_names
from expunge.evidence.strangers.beside import beside
from expunge.evidence.strangers.lineup import Lineup
from expunge.tasks.views import Observed, View
from expunge.vision import Wrapped

KEYS = ("rank1", "tar_1", "tar_01")


def _observed(angles: list[float], labels: list[int]) -> Observed:
    turned = torch.tensor(angles).deg2rad()
    embedding = torch.stack([turned.cos(), turned.sin()], dim=1)
    return Observed(embedding, torch.zeros(len(labels), 4), torch.tensor(labels))


def test_rates_by_hand() -> None:
    # Gallery: person 0 at 0 and 20, 1 at 90, 2 at 180 degrees. Who stays: 1 and 2, whose impostor pairs are 1's query
    # and 2's row, 80 degrees apart, and 2's query and 1's row, 120 apart. None may pass: the threshold is cos 80.
    gallery = _observed([0.0, 20.0, 90.0, 180.0], [0, 0, 1, 2])
    queries = _observed([-70.0, 100.0, 210.0, 95.0], [0, 1, 2, 0])
    found = anew(View(gallery, queries), (1, 2))
    assert found["rank1"].tolist() == [1.0, 1.0, 1.0, 0.0]
    # Person 0's first query is 70 and 90 degrees from the rows, and half of its pairs pass; the second is 95 and 75.
    assert found["tar_1"].tolist() == found["tar_01"].tolist() == [0.5, 1.0, 1.0, 0.5]


def _crowd(forgotten: Tensor | None = None, *, seed: int = 0) -> Case:
    """40 people in 32 dimensions, eight photos each; the first 4 go. Their embeddings are `forgotten` where given."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(40, 32, generator=generator)

    def observed() -> Observed:
        labels = torch.arange(40).repeat_interleave(8)
        embedding = centres[labels] + 0.3 * torch.randn(320, 32, generator=generator)
        if forgotten is not None:
            gone = labels < 4
            embedding[gone] = forgotten + 0.3 * torch.randn(int(gone.sum()), 32, generator=generator)
        return Observed(embedding, torch.zeros(320, 40), labels)

    view = View(observed(), observed())
    parts: dict[str, Any] = {"forget": (0, 1), "earlier": (2, 3), "retain": tuple(range(4, 40))}
    images = Images((), (), tuple(map(str, range(40))))
    return Case(None, view, view, None, images, images, **parts)


def _values(case: Case) -> dict[str, float]:
    return {reading.key: reading.value for reading in Verification().measure(case)}


def test_an_embedder_that_knows_them_must_be_caught() -> None:
    found = Verification().measure(_crowd())
    assert [reading.key for reading in found] == [f"anew_{rate}_{group}" for group in "for" for rate in KEYS]
    assert {reading.value for reading in found} == {100.0}
    assert {(reading.key[-1], reading.n, reading.aim) for reading in found} == {
        ("f", 16, "oracle"),
        ("o", 16, "oracle"),
        ("r", 288, "high"),
    }
    assert found[0].low == pytest.approx(80.64, abs=0.01)  # Wilson, 16 of 16


def test_an_embedder_to_whom_all_of_them_are_one_cannot_find_them() -> None:
    values = _values(_crowd(torch.zeros(32)))
    assert max(values[f"anew_{rate}_{group}"] for group in "fo" for rate in KEYS) < 45  # a quarter is chance
    assert values["anew_tar_01_f"] < 5
    assert min(values[f"anew_{rate}_r"] for rate in KEYS) == 100.0


def test_who_has_no_photo_to_be_enrolled_with_is_no_query() -> None:
    case = _crowd()
    there = case.view.attack.labels != 1
    view = View(case.view.attack.select(there), case.view.test)
    assert Verification().measure(replace(case, view=view))[0].n == 8


def test_needs_two_people_who_stay() -> None:
    case = _crowd()
    assert Verification().missing(case) is None
    alone = replace(case, view=View(case.view.attack.only(range(5)), case.view.test.only(range(5))))
    assert Verification().missing(alone) == "needs attack and test images of two people who stay"


class Unused(Wrapped):
    """A model that nobody runs."""

    def __call__(self, pixels: Tensor) -> Any:
        raise AssertionError

    def prepare(self, images: Any) -> Tensor:
        raise AssertionError

    def enter(self, pixels: Tensor, block: int) -> Tensor:
        raise AssertionError

    def save(self, folder: Any) -> None:
        raise AssertionError


def test_strangers_stand_in_the_same_gallery() -> None:
    case = _crowd()
    people: dict[str, Any] = {"retain": tuple(range(4, 20)), "forgotten": (0, 1), "strangers": tuple(range(20, 40))}
    lineup = Lineup(Unused(), case.view, None, None, **people)
    values = Verification().by_class(lineup)
    assert {key: (len(each), float(each.min())) for key, each in values.items() if key != "anew_alike"} == {
        f"anew_{rate}": (22, 100.0) for rate in KEYS
    }
    # Pairs x + e and x + f with |x|² = 32 and noise of 0.09 · 32: cosines near 1 / 1.09.
    assert values["anew_alike"].mean().item() == pytest.approx(1 / 1.09, abs=0.02)
    stood = beside(lineup, [Verification()])
    assert stood is not None
    found = {reading.key: reading for reading in Verification().measure(replace(case, beside=stood))}
    assert [(found[f"anew_{rate}_s"].value, found[f"anew_{rate}_s"].n) for rate in KEYS] == [(100.0, 160)] * 3


def test_is_for_embedders_alone() -> None:
    assert "verification" in measure_names(task="embedding")
    assert "verification" not in (*measure_names(), *measure_names(task="detection"))
    assert not {"zrf", "relearn-time"} & {*measure_names(task="embedding")}
