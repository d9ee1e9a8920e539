"""The three cases that every measure must tell apart: nothing forgotten, never known, and hidden by the head alone."""

from copy import deepcopy
from dataclasses import replace

import pytest

from expunge.adapters import Edit, EditStack
from expunge.data import Images
from expunge.evidence import Case
from expunge.tasks.classification.views import view
from expunge.tasks.rows import HeadRows
from expunge.tasks.views import View
from expunge.vision import VisionModel
from tests.evidence.measures import marks

FORGET, EARLIER, RETAIN = (0,), (4,), (1, 2, 3, 5)
"""Anvil is forgotten now, ember was before; brook, cedar, delta and blank stay."""


@pytest.fixture(scope="session")
def attack_images() -> Images:
    """20 images of each of the six classes."""
    return marks.make_images(20, seed=11)


@pytest.fixture(scope="session")
def test_images() -> Images:
    """20 other images of each class."""
    return marks.make_images(20, seed=12)


@pytest.fixture(scope="session")
def original_model() -> VisionModel:
    """Knows all six classes. Measures must leave it as they found it."""
    return marks.train(range(len(marks.CLASSES)), seed=3)


@pytest.fixture(scope="session")
def oracle_model() -> VisionModel:
    """Never saw an image of the forgotten classes. Measures must leave it as they found it."""
    return marks.train(RETAIN, seed=7)


@pytest.fixture(scope="session")
def original_case(original_model: VisionModel, oracle_view: View, attack_images: Images, test_images: Images) -> Case:
    """The untouched model under test: every measure must fire."""
    seen = view(original_model, attack_images, test_images)
    rows = HeadRows.of(original_model)
    return Case(original_model, seen, seen, oracle_view, attack_images, test_images, FORGET, EARLIER, RETAIN, rows=rows)


@pytest.fixture(scope="session")
def oracle_view(oracle_model: VisionModel, attack_images: Images, test_images: Images) -> View:
    return view(oracle_model, attack_images, test_images)


@pytest.fixture(scope="session")
def oracle_case(oracle_model: VisionModel, oracle_view: View, original_case: Case) -> Case:
    """The oracle under test: no measure can fire."""
    return replace(original_case, model=oracle_model, view=oracle_view, rows=HeadRows.of(oracle_model))


@pytest.fixture(scope="session")
def masked_case(original_model: VisionModel, original_case: Case) -> Case:
    """The untouched model with the forgotten classes struck from its head: its outputs forget, its features do not."""
    masked = marks.wrap(deepcopy(original_model.module))
    EditStack(masked).push(Edit(masked=(*FORGET, *EARLIER)))
    return replace(original_case, model=masked, view=view(masked, original_case.attack, original_case.test))
