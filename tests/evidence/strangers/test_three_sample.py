"""The three-sample test before trained models, and the profiles it works on."""

from dataclasses import replace
from statistics import mean
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.evidence.strangers._profiles import answer_profiles, feature_profiles
from expunge.evidence.strangers._three_sample import three_sample
from expunge.evidence.strangers.lineup import Lineup
from expunge.tasks.views import Observed, View
from tests.evidence.measures import marks

RETAIN, FORGOTTEN, STRANGERS = tuple(range(24)), tuple(range(24, 32)), tuple(range(32, 54))
DIMS, KNOWN = 24, 32
On = Literal["answers", "features"]


def points(labels: Tensor, seed: int) -> Tensor:
    """Noisy draws around one centre a class; those of forgotten classes and strangers lie beside a retained one's.

    A model that never learnt such a class takes it for its neighbour, and one that did has been told not to.
    """
    generator = torch.Generator().manual_seed(1)
    retained = torch.randn(len(RETAIN), DIMS, generator=generator)
    others = len(FORGOTTEN + STRANGERS)
    beside = retained[torch.randint(len(RETAIN), (others,), generator=generator)]
    centres = torch.cat([retained, beside + 0.7 * torch.randn(others, DIMS, generator=generator)])
    return centres[labels] + 0.5 * torch.randn(len(labels), DIMS, generator=torch.Generator().manual_seed(seed))


def trained_view(classes: tuple[int, ...]) -> View:
    """What a small network makes of all classes that has learnt some of them."""
    torch.manual_seed(len(classes))
    body = nn.Sequential(nn.Linear(DIMS, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
    head = nn.Linear(32, KNOWN)
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=5e-3)
    for step in range(200):
        labels = torch.tensor(classes)[torch.randint(len(classes), (64,))]
        loss = functional.cross_entropy(head(body(points(labels, 100 + step))), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    labels = torch.arange(len(RETAIN + FORGOTTEN + STRANGERS)).repeat_interleave(8)
    with torch.no_grad():
        seen = [body(points(labels, seed)) for seed in (7, 8)]
        return View(*(Observed(features, head(features), labels) for features in seen))


@pytest.fixture(scope="module")
def before() -> Lineup:
    """The original, which learnt the classes that are now forgotten."""
    model, images = marks.wrap(marks.MarkReader(nn.Linear(marks.WIDTH, 6))), Images((), (), ())
    return Lineup(model, trained_view(RETAIN + FORGOTTEN), images, images, RETAIN, FORGOTTEN, STRANGERS)


@pytest.fixture(scope="module")
def oracle() -> View:
    """It never saw them."""
    return trained_view(RETAIN)


@pytest.fixture(scope="module")
def another() -> View:
    """Nor did it; its batches were others."""
    return trained_view(RETAIN[::-1])


@pytest.mark.parametrize("on", ["answers", "features"])
@pytest.mark.parametrize("by_oracle", [False, True])
def test_catches_the_untouched_model_and_clears_one_that_never_saw_the_classes(
    before: Lineup, oracle: View, another: View, on: On, *, by_oracle: bool
) -> None:
    compared = oracle if by_oracle else None
    untouched = three_sample(before, before, on=on, oracle=compared)
    assert untouched.nearer == "original"
    assert untouched.to_original is not None
    assert untouched.to_original < 0.01
    assert (untouched.classes, untouched.against) == (8, 8 if by_oracle else 22)
    innocent = three_sample(replace(before, view=another), before, on=on, oracle=compared)
    assert innocent.nearer == "innocent"
    assert innocent.p_original > 0.5


@pytest.mark.parametrize("on", ["answers", "features"])
def test_a_single_class_is_placed_in_line(before: Lineup, oracle: View, on: On) -> None:
    """Each class by itself: where nothing was forgotten, they crowd at the original's end of the line."""
    alone = [replace(before, forgotten=(c,)) for c in FORGOTTEN]
    untouched = [three_sample(one, one, on=on) for one in alone]
    innocent = [three_sample(replace(one, view=oracle), one, on=on) for one in alone]
    assert {(found.rule, found.classes, found.against) for found in untouched} == {("permutation", 1, 22)}
    assert mean(found.p_original for found in innocent) > 0.4
    assert mean(found.p_original for found in untouched) < mean(found.p_original for found in innocent) - 0.2


def test_striking_the_class_in_the_head_changes_no_answer_profile(before: Lineup) -> None:
    def struck(seen: Observed) -> Observed:
        logits = seen.logits.clone()
        logits[:, list(FORGOTTEN)] = -torch.inf
        return replace(seen, logits=logits)

    masked = View(struck(before.view.attack), struck(before.view.test))
    found = three_sample(replace(before, view=masked), before, on="answers")
    assert found == three_sample(before, before, on="answers")


def test_answer_profiles_by_hand() -> None:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4, 5.0]]).log()
    seen = Observed(torch.zeros(2, 1), logits.repeat(2, 1), torch.tensor([4, 3]))
    found = answer_profiles(View(seen, seen), (4, 3), (0, 1, 2, 3), 1).exp()
    # Of four retained classes two are given one by one, so that one is left when a retained class strikes itself.
    assert found[0, 0].tolist() == pytest.approx([0.4, 0.3, 0.3])
    assert found[1, 0].tolist() == pytest.approx([0.5, 1 / 3, 1 / 6])


def test_feature_profiles_by_hand() -> None:
    # Three centres around the origin, 120° apart; the class that was forgotten lies on the first one's ray.
    centres = torch.tensor([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
    attack = Observed(centres, torch.zeros(3, 4), torch.tensor([0, 1, 2]))
    test = Observed(
        torch.cat([2 * centres, torch.tensor([[4.0, 0.0], [0.0, 2.0], [9.0, 9.0]])]),
        torch.zeros(6, 4),
        torch.tensor([0, 1, 2, 3, 3, 3]),
    )
    found = feature_profiles(View(attack, test), (3,), (0, 1, 2), 2)
    # Nearest centre, cosine to the other image, log of the norm in twos. The third image is one too many.
    assert found[0, 0].tolist() == pytest.approx([1.0, 0.0, torch.tensor(2.0).log().item()], abs=1e-6)
    assert found[0, 1].tolist() == pytest.approx([0.75**0.5, 0.0, 0.0], abs=1e-6)
    own = feature_profiles(View(attack, replace(test, labels=torch.tensor([0, 1, 2, 0, 0, 0]))), (0,), (0, 1, 2), 2)
    assert own[0, 0, 0] == pytest.approx(-0.5)  # its own centre is no neighbour


def test_says_what_is_missing(before: Lineup) -> None:
    with pytest.raises(EvidenceError, match="same images and classes"):
        three_sample(before, replace(before, retain=RETAIN[:5]), on="answers")
    with pytest.raises(EvidenceError, match="same images and classes"):
        three_sample(before, before, on="answers", oracle=View(before.view.attack, before.view.attack.only(RETAIN)))
    few = replace(before, strangers=STRANGERS[:2])
    with pytest.raises(EvidenceError, match="three strangers"):
        three_sample(few, few, on="answers")
    none = replace(before, forgotten=())
    with pytest.raises(EvidenceError, match="what is missing"):
        three_sample(none, none, on="answers")
    with pytest.raises(EvidenceError, match="three retained classes"):
        answer_profiles(before.view, FORGOTTEN, RETAIN[:2], 2)
    with pytest.raises(EvidenceError, match="9 test images of class 24, found 8"):
        answer_profiles(before.view, FORGOTTEN, RETAIN, 9)
    with pytest.raises(EvidenceError, match="two test images"):
        feature_profiles(before.view, FORGOTTEN, RETAIN, 1)
