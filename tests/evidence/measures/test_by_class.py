"""Class by class: a class that was learnt stands apart from strangers, and all candidates are treated alike."""

from dataclasses import replace

import pytest
import torch

from expunge.evidence.measures._attacks import auc
from expunge.evidence.measures.answers import Answers
from expunge.evidence.measures.class_membership import ClassMembership
from expunge.evidence.measures.linear_probe import LinearProbe
from expunge.evidence.measures.nearest_centre import NearestCentre
from expunge.evidence.measures.prototype_relearning import PrototypeRelearning
from expunge.evidence.measures.retrieval import Retrieval
from expunge.evidence.strangers.lineup import ByClass, Lineup
from expunge.vision import VisionModel
from tests.evidence.measures.lineups import STRANGERS, line_up, renumbered

MEASURES = (LinearProbe(), PrototypeRelearning(), Retrieval(), NearestCentre(), ClassMembership(), Answers())
ELSEWHERE = ("embedding_norm", "answer_concentration")
"""This model's last layer gives all embeddings one norm, and all that it does not know it calls blank."""
KEYS = [(measure, key) for measure in MEASURES for key in measure.known_side if key not in ELSEWHERE]


@pytest.fixture(scope="module")
def known(original_model: VisionModel) -> Lineup:
    """The original, which learnt both forgotten classes."""
    return line_up(original_model)


@pytest.fixture(scope="module")
def unknown(oracle_model: VisionModel) -> Lineup:
    """The oracle, to which they are strangers like the others."""
    return line_up(oracle_model)


def apart(measure: ByClass, key: str, lineup: Lineup) -> float:
    """AUC of forgotten classes against strangers, towards the side of what is known."""
    values = measure.by_class(lineup)[key]
    values = values if measure.known_side[key] == "above" else -values
    return auc(values[:2], values[2:])


@pytest.mark.parametrize(("measure", "key"), KEYS)
def test_what_was_learnt_stands_apart_and_what_was_not_does_not(
    measure: ByClass, key: str, known: Lineup, unknown: Lineup
) -> None:
    assert apart(measure, key, known) == 1.0
    assert apart(measure, key, unknown) <= 0.8


@pytest.mark.parametrize("measure", MEASURES)
def test_who_is_called_forgotten_does_not_matter(measure: ByClass, known: Lineup) -> None:
    swapped = replace(known, forgotten=(STRANGERS[0], 4), strangers=(*STRANGERS[1:], 0))
    first, second = measure.by_class(known), measure.by_class(swapped)
    assert set(first) == set(second) == set(measure.known_side)
    for key in first:
        of = dict(zip(known.candidates, first[key].tolist(), strict=True))
        assert second[key].tolist() == [of[c] for c in swapped.candidates], key
        assert len(set(first[key].tolist())) > 1


@pytest.mark.parametrize("measure", MEASURES)
def test_a_number_in_the_head_does_not_matter(measure: ByClass, known: Lineup) -> None:
    """Anvil has a row in the head. Called by a stranger's number it has none, and is read as before."""
    numbers = [STRANGERS[0], 1, 2, 3, 4, 5, 0, *STRANGERS[1:]]
    other = replace(renumbered(known, numbers), forgotten=(STRANGERS[0], 4), strangers=(0, *STRANGERS[1:]))
    first, second = measure.by_class(known), measure.by_class(other)
    for key, values in first.items():
        torch.testing.assert_close(second[key], values, rtol=0, atol=1e-6)


def test_every_key_has_a_label_and_every_measure_the_protocol() -> None:
    for measure in MEASURES:
        assert isinstance(measure, ByClass)
        assert set(measure.known_side) <= set(measure.labels)
