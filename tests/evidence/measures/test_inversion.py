"""Inversion: the decoder by hand, features that hold a class's looks, and features that never saw them."""

from dataclasses import dataclass, replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.evidence import Case
from expunge.evidence.measures.inversion import Inversion, class_means, fit_decoder, pictures, shows
from expunge.evidence.strangers.lineup import ByClass, Lineup
from expunge.tasks.views import Observed, View
from expunge.vision import VisionModel
from tests.evidence.measures import marks

PARTS, SIDE = 12, marks.SIDE
"""Pictures are mixtures of so many patterns; the first six are each what one class is made of."""


@dataclass(frozen=True, eq=False)
class Album:
    """Pictures, and how much of each pattern is in them."""

    images: Images
    mixtures: Float[Tensor, "n parts"]


def _album(seed: int) -> Album:
    """20 pictures of each of six classes: much of the class's own pattern, and some of all."""
    labels = torch.arange(6).repeat_interleave(20)
    mixtures = torch.randn(len(labels), PARTS, generator=torch.Generator().manual_seed(seed))
    mixtures[torch.arange(len(labels)), labels] += 3
    patterns = torch.linalg.qr(torch.randn(SIDE * SIDE, PARTS, generator=torch.Generator().manual_seed(1))).Q.T
    pixels = (mixtures @ patterns).view(-1, 1, SIDE, SIDE).expand(-1, 3, -1, -1)
    samples = tuple(marks.Marked(f"{seed}/{i}", image) for i, image in enumerate(pixels))
    return Album(Images(samples, tuple(labels.tolist()), marks.CLASSES), mixtures)


ATTACK, TEST = _album(1), _album(2)


def _seen(album: Album, blind: tuple[int, ...]) -> Observed:
    """Features of the mixtures, as a model has them that cannot see the patterns of some classes."""
    told = album.mixtures.clone()
    told[:, list(blind)] = 0
    weights = torch.randn(PARTS, 32, generator=torch.Generator().manual_seed(5))
    return Observed(told @ weights, torch.zeros(len(told), 6), torch.tensor(album.images.labels))


def _case(original_case: Case, blind: tuple[int, ...]) -> Case:
    seen = View(_seen(ATTACK, blind), _seen(TEST, blind))
    return replace(original_case, view=seen, attack=ATTACK.images, test=TEST.images)


def test_decoder_by_hand() -> None:
    # z = (-1, 1), pictures ∓(1, 2) about (5, 5): W = (1 + decay)⁻¹ (1, 2).
    decoder = fit_decoder(torch.tensor([[2.0], [6.0]]), torch.tensor([[4.0, 3.0], [6.0, 7.0]]), decay=1.0)
    assert decoder.level.tolist() == [5, 5]
    assert decoder(torch.tensor([[6.0], [4.0]])).tolist() == [[5.5, 6.0], [5.0, 5.0]]


def test_a_feature_that_never_varies_takes_no_part() -> None:
    features = torch.tensor([[2.0, 0.1], [6.0, 0.1]])
    looks = torch.tensor([[4.0, 3.0], [6.0, 7.0]])
    decoder = fit_decoder(features, looks, decay=1.0)
    assert torch.equal(
        decoder(torch.tensor([[6.0, 9.0]])), fit_decoder(features[:, :1], looks, decay=1.0)(features[1:, :1])
    )


def test_who_is_shown_by_hand() -> None:
    level = torch.zeros(3)
    own, rivals = torch.tensor([1.0, 0.0, -1.0]), torch.tensor([[0.0, 1.0, -1.0], [1.0, -1.0, 0.0]])
    drawings = torch.tensor([[9.0, 0.0, -9.0], [0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [7.0, 7.0, 7.0]])
    assert shows(drawings, own, rivals, level).tolist() == [True, False, False, False]
    assert shows(drawings + 3, own + 3, rivals + 3, level + 3).tolist() == [True, False, False, False]


def test_rounding_is_no_contrast() -> None:
    own = torch.tensor([1.0, 0.0, -1.0])
    assert shows(1e-3 * own[None], own, -own[None], torch.zeros(3)).all()
    assert not shows(1e-9 * own[None], own, -own[None], torch.zeros(3)).any()


def test_a_tie_is_lost() -> None:
    own = torch.tensor([1.0, 0.0, -1.0])
    assert not shows(own[None], own, own[None], torch.zeros(3)).any()


def test_pictures_are_grey_means_of_patches(original_model: VisionModel) -> None:
    pixels = torch.arange(3.0 * SIDE * SIDE).view(3, SIDE, SIDE)
    images = Images((marks.Marked("one", pixels),), (0,), marks.CLASSES)
    grey = pixels.double().mean(0)
    expected = [[grey[:8, :8].mean(), grey[:8, 8:].mean()], [grey[8:, :8].mean(), grey[8:, 8:].mean()]]
    assert torch.allclose(pictures(original_model, images, 2), torch.tensor(expected, dtype=torch.float64).view(1, 4))


def _values(case: Case) -> dict[str, float]:
    return {reading.key: reading.value for reading in Inversion().measure(case)}


def test_fires_where_features_hold_the_looks_and_not_where_they_never_saw_them(original_case: Case) -> None:
    (knows,), (blind,), (half,) = (Inversion().measure(_case(original_case, to)) for to in ((), (0, 4), (0,)))
    assert (knows.key, knows.unit, knows.n) == ("inversion", "%", 40)
    assert knows.value >= 95
    assert blind.value < 40  # one of five is chance
    assert half.value == pytest.approx((knows.value + blind.value) / 2, abs=10)
    assert knows.low is not None
    assert blind.high is not None
    assert blind.high < knows.low


def test_the_decoder_learns_from_no_feature_of_a_forgotten_class(original_case: Case) -> None:
    case = _case(original_case, ())
    attack = case.view.attack
    turned = torch.where(attack.among(case.forgotten)[:, None], -10 * attack.embedding, attack.embedding)
    other = replace(case, view=View(replace(attack, embedding=turned), case.view.test))
    assert _values(other) == _values(case)


def test_the_head_plays_no_part(original_case: Case, masked_case: Case) -> None:
    assert _values(original_case) == _values(masked_case)


def _lineup(original_case: Case, forgotten: tuple[int, ...], strangers: tuple[int, ...]) -> Lineup:
    seen = _case(original_case, (4,)).view
    return Lineup(original_case.model, seen, ATTACK.images, TEST.images, (1, 2, 3), forgotten, strangers)


def test_class_by_class_who_was_forgotten_does_not_enter(original_case: Case) -> None:
    inversion = Inversion()
    assert isinstance(inversion, ByClass)
    found = inversion.by_class(_lineup(original_case, (0,), (4, 5)))["inversion"]
    assert inversion.by_class(_lineup(original_case, (4, 5), (0,)))["inversion"].tolist() == [*found[1:], found[0]]
    assert found[0] > 0.9 > 0.5 > found[1]
    assert set(inversion.by_class(_lineup(original_case, (0,), (4,)))) == set(inversion.known_side)


def test_reasons_why_not(original_case: Case) -> None:
    case = _case(original_case, ())
    assert Inversion().missing(case) is None
    part = View(case.view.attack.select(torch.arange(60)), case.view.test)
    assert Inversion().missing(replace(case, view=part)) == "needs a view of all attack images and all test images"
    assert "retained" in (Inversion().missing(replace(case, retain=())) or "")


def test_impossible_settings_and_no_images() -> None:
    for settings, words in (({"side": 1}, "side must be 2 or more"), ({"decay": 0.0}, "decay must be greater than 0")):
        with pytest.raises(EvidenceError, match=words):
            Inversion(**settings)  # pyright: ignore[reportArgumentType]
    with pytest.raises(EvidenceError, match="fit a decoder"):
        fit_decoder(torch.zeros(0, 2), torch.zeros(0, 3), decay=1.0)


def test_means_come_in_the_order_asked_for() -> None:
    values = torch.tensor([[1.0], [3.0], [10.0]])
    assert class_means(values, torch.tensor([2, 2, 0]), [0, 2]).tolist() == [[10], [2]]
