"""U-LiRA with shadow models whose answers are drawn from known distributions."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from expunge.evidence import Case, Shadows
from expunge.evidence.measures.u_lira import ULiRA, likelihood_ratio, scaled_confidence
from expunge.tasks.views import Observed, View


def answers(labels: torch.Tensor, confidence: torch.Tensor) -> Observed:
    """Logits whose scaled confidence is given: log(p / (1 - p)) with two other classes that share the rest."""
    logits = torch.zeros(len(labels), 3)
    logits[torch.arange(len(labels)), labels] = confidence.float() + float(np.log(2.0))
    return Observed(torch.zeros(len(labels), 1), logits, labels)


@pytest.fixture
def world(original_case: Case) -> Case:
    """120 images: shadows that forgot them stand at 2 ± 1, those that never saw them at -1 ± 1."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.tensor([0] * 120)
    own = torch.randn(120, generator=generator)  # images differ in difficulty

    def draw(mean: float) -> Observed:
        return answers(labels, own + mean + torch.randn(120, generator=generator))

    shadows = Shadows(tuple(draw(2.0) for _ in range(8)), tuple(draw(-1.0) for _ in range(8)))
    forgot, never = draw(2.0), draw(-1.0)
    case = replace(original_case, shadows=shadows, forget=(0,), earlier=(), retain=(1, 2))
    return replace(case, view=View(forgot, forgot), oracle=View(never, never))


def test_fires_on_one_more_that_forgot_and_not_on_one_more_that_never_saw(world: Case) -> None:
    area, rate, innocent = ULiRA().measure(world)
    # Two Gaussians three standard deviations apart: an area of Φ(3 / √2) = 98 %.
    assert area.value == pytest.approx(100 * scipy.stats.norm.cdf(3 / np.sqrt(2)), abs=4)
    assert rate.value > 50
    assert area.n == rate.n == 120
    assert world.oracle is not None
    assert 50 < innocent.value < 65, "one shadow at a time, of images that stand apart by nothing but noise"
    assert innocent.n == 8
    never, *_ = ULiRA().measure(replace(world, view=world.oracle))
    assert 35 < never.value < 65


def test_a_model_that_is_off_as_a_whole_is_what_an_innocent_one_may_be(world: Case) -> None:
    """Images of one model move together: no interval over images may call such an area sure."""
    labels = torch.tensor([0] * 120)
    moves = torch.linspace(-1.5, 1.5, 8)
    generator = torch.Generator().manual_seed(3)

    def moved(by: Tensor) -> Observed:
        return answers(labels, by - 1 + 0.2 * torch.randn(120, generator=generator))

    assert world.shadows is not None
    shadows = replace(world.shadows, never=tuple(map(moved, moves)))
    target = moved(torch.tensor(1.0))
    area, rate, innocent = ULiRA().measure(replace(world, shadows=shadows, view=View(target, target)))
    assert area.value > 60
    assert innocent.value > area.value
    assert area.low is area.high is rate.low is rate.high is None


def test_only_members_are_judged(world: Case) -> None:
    assert world.shadows is not None
    members = torch.arange(120) < 110
    some = replace(world, shadows=replace(world.shadows, members=members))
    assert {row.n for row in ULiRA().measure(some)[:2]} == {110}

    def first(seen: Observed) -> Observed:
        return seen.select(members)

    alone = Shadows(tuple(map(first, world.shadows.forgotten)), tuple(map(first, world.shadows.never)))
    view = View(first(world.view.attack), world.view.test)
    assert ULiRA().measure(replace(world, shadows=alone, view=view)) == ULiRA().measure(some)
    none = replace(world, shadows=replace(world.shadows, members=members & False))
    assert ULiRA().missing(none) == "needs attack images of a forgotten class"


def test_likelihood_ratio_against_scipy() -> None:
    rng = np.random.default_rng(0)
    observed, forgotten, never = rng.normal(size=5), rng.normal(2, 1, (4, 5)), rng.normal(-1, 3, (6, 5))

    def log_density(shadows: np.ndarray) -> np.ndarray:
        spread = np.sqrt(np.mean(shadows.var(0, ddof=1)))  # one for all images
        return scipy.stats.norm.logpdf(observed, shadows.mean(0), spread)

    found = likelihood_ratio(*(torch.tensor(x) for x in (observed, forgotten, never)))
    assert found.numpy() == pytest.approx(log_density(forgotten) - log_density(never))


def test_scaled_confidence_by_hand_and_at_the_ends() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.1]]).log().repeat(2, 1)
    found = scaled_confidence(logits, torch.tensor([0, 2]))
    assert found.tolist() == pytest.approx([np.log(0.7 / 0.3), np.log(0.1 / 0.9)])
    ends = scaled_confidence(torch.tensor([[-1e4, 0.0], [1e4, 0.0]]), torch.tensor([0, 0]))
    assert ends.tolist() == [-30.0, 30.0]


def test_shadows_that_all_agree_give_finite_numbers(world: Case) -> None:
    assert world.shadows is not None
    same = Shadows((world.shadows.forgotten[0],) * 4, (world.shadows.never[0],) * 4)
    for row in ULiRA().measure(replace(world, shadows=same)):
        assert 0 <= row.value <= 100


def test_says_why_it_cannot_be_taken(world: Case) -> None:
    assert world.shadows is not None
    assert ULiRA().missing(world) is None
    assert ULiRA().missing(replace(world, shadows=None)) == "needs shadow models"
    few = Shadows(world.shadows.forgotten[:3], world.shadows.never)
    assert ULiRA().missing(replace(world, shadows=few)) == "needs 4 shadow models a side; there are 3 and 8"
    assert ULiRA().missing(replace(world, forget=(1,))) == "needs attack images of a forgotten class"
