"""Membership by confidence, entropy and modified entropy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from expunge.data import Images
from expunge.evidence import Case
from expunge.evidence.measures.confidence_attack import ConfidenceAttack, membership_scores
from expunge.tasks.classification.views import view
from expunge.vision import VisionModel
from tests.evidence.measures import marks


def values(case: Case) -> dict[str, float]:
    return {row.key: row.value for row in ConfidenceAttack().measure(case)}


@pytest.fixture(scope="module")
def overfitted() -> tuple[VisionModel, Images, Images]:
    """A model that has learnt a few images by heart."""
    torch.manual_seed(0)
    attack, test = marks.make_images(4, seed=21), marks.make_images(20, seed=22)
    module = marks.MarkReader(torch.nn.Linear(marks.WIDTH, len(marks.CLASSES)))
    labels = torch.tensor(attack.labels)
    pixels = torch.stack([image for image in attack.load() if isinstance(image, torch.Tensor)])
    optimizer = torch.optim.AdamW(module.parameters(), lr=5e-3)
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(module(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return marks.wrap(module), attack, test


def test_fires_where_images_were_learnt_by_heart(
    overfitted: tuple[VisionModel, Images, Images], original_case: Case
) -> None:
    model, attack, test = overfitted
    case = replace(original_case, model=model, view=view(model, attack, test), attack=attack, test=test)
    found = values(replace(case, forget=(0, 1, 2), earlier=(), retain=(3, 4, 5)))
    assert found["mia_confidence_auc"] > 80
    assert found["mia_modified_entropy_auc"] > 80


def test_cannot_fire_on_the_oracle(oracle_case: Case) -> None:
    for row in ConfidenceAttack().measure(oracle_case):
        if row.key.endswith("_auc"):
            assert 30 < row.value < 70  # 40 images a side: 50 ± 13 in 95 of 100 cases


def test_scores_by_hand() -> None:
    p = [0.7, 0.2, 0.1]
    right = membership_scores(torch.tensor([p]).log(), torch.tensor([0]))
    assert right["confidence"].item() == pytest.approx(0.7)
    entropy = 0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1)
    assert right["entropy"].item() == pytest.approx(entropy)
    # Mentr = -(1 - .7) log .7 - .2 log(1 - .2) - .1 log(1 - .1), Song and Mittal's equation
    mentr = -0.3 * np.log(0.7) - 0.2 * np.log(0.8) - 0.1 * np.log(0.9)
    assert right["modified_entropy"].item() == pytest.approx(-mentr)
    wrong = membership_scores(torch.tensor([p]).log(), torch.tensor([1]))
    mentr = -0.8 * np.log(0.2) - 0.7 * np.log(0.3) - 0.1 * np.log(0.9)
    assert wrong["modified_entropy"].item() == pytest.approx(-mentr)
    assert wrong["entropy"].item() == pytest.approx(entropy)


def test_each_image_is_judged_by_its_own_column() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]).log()
    together = membership_scores(logits, torch.tensor([2, 1]))
    for kind in together:
        alone = [membership_scores(logits[i : i + 1], torch.tensor([y]))[kind].item() for i, y in ((0, 2), (1, 1))]
        assert together[kind].tolist() == pytest.approx(alone)


def test_sure_and_right_is_zero_and_sure_and_wrong_is_finite_and_lowest() -> None:
    logits = torch.tensor([[60.0, 0.0, 0.0], [-1e4, 0.0, 9.0], [0.0, 0.0, 0.0]])
    scores = membership_scores(logits, torch.tensor([0, 0, 0]))["modified_entropy"]
    assert scores[0].item() == pytest.approx(0.0, abs=1e-12)
    assert torch.isfinite(scores).all()
    assert scores[1] < scores[2] < scores[0]


def test_a_struck_class_leaves_confidence_nothing_to_tell(masked_case: Case) -> None:
    assert values(masked_case)["mia_confidence_auc"] == 50


def test_says_why_it_cannot_be_taken(original_case: Case) -> None:
    assert ConfidenceAttack().missing(original_case) is None
    none = replace(original_case.view, attack=original_case.view.attack.only(original_case.retain))
    assert ConfidenceAttack().missing(replace(original_case, view=none)) is not None
