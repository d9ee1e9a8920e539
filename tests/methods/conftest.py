from collections.abc import Callable
from pathlib import Path

import pytest

from expunge.data import Splits, align, load_folder
from expunge.memory import compute_prototypes
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask
from expunge.vision import ActivationCache, VisionModel, load_model


@pytest.fixture(scope="session")
def splits(toy_data_folder: Path, toy_model: VisionModel) -> Splits:
    return align(load_folder(toy_data_folder), toy_model.classes)


@pytest.fixture(scope="session")
def toy_model(toy_model_folder: Path) -> VisionModel:
    """Shared by the whole session: methods must leave it as they found it."""
    return load_model(toy_model_folder)


@pytest.fixture(scope="session")
def context(toy_model: VisionModel, splits: Splits) -> Callable[..., Context]:
    def make(entry: int = 0, **fields) -> Context:
        cache = ActivationCache(toy_model, entry)
        return Context(toy_model, cache, compute_prototypes(cache, splits.train), **fields)

    return make


@pytest.fixture(scope="session")
def task(splits: Splits) -> ForgetTask:
    """Forget amber and blue; elm was forgotten before."""
    targets, forgotten = (0, 1), (4,)
    return ForgetTask(
        targets=targets,
        forgotten=forgotten,
        forget=splits.train.only(targets),
        retain=splits.train.without((*targets, *forgotten)),
        validation=splits.validation.without(forgotten),
    )
