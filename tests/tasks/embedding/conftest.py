"""A small embedder, photos of people whom it knows, and of strangers."""

from pathlib import Path

import pytest

from expunge.data import Images, Splits
from expunge.runs import load, read
from expunge.tasks.embedding import EmbeddingModel, enroll, load_unenrolled
from tests import toy_faces


@pytest.fixture(scope="session")
def backbone_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_faces.write_backbone(tmp_path_factory.mktemp("embedder") / "backbone")


@pytest.fixture(scope="session")
def people_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_faces.write_people(tmp_path_factory.mktemp("people"), range(toy_faces.ENROLLED))


@pytest.fixture(scope="session")
def outsiders_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    strangers = range(toy_faces.SEEN, len(toy_faces.PEOPLE))
    return toy_faces.write_people(tmp_path_factory.mktemp("outsiders"), strangers, seed=3)


@pytest.fixture(scope="session")
def people(people_folder: Path) -> Splits[Images]:
    return read(people_folder)


@pytest.fixture(scope="session")
def embedder_folder(backbone_folder: Path, people: Splits[Images]) -> Path:
    """The backbone with everybody's training photos enrolled."""
    found = load_unenrolled(backbone_folder)
    assert found is not None
    module, preprocess = found
    folder = backbone_folder.parent / "embedder"
    enroll(module, people.train + people.validation, preprocess=preprocess).save(folder)
    return folder


@pytest.fixture
def embedder(embedder_folder: Path) -> EmbeddingModel:
    return load(embedder_folder, device="cpu")
