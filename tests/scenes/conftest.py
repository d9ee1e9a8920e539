import pytest

from expunge.errors import MissingExtraError
from expunge.zoo.scenes.cutouts import folder


@pytest.fixture(scope="session")
def photos() -> None:
    """For tests that compose scenes: the photos are not in the repository, see `scripts/scenes_sheet.py`."""
    try:
        folder()
    except MissingExtraError as error:
        pytest.skip(str(error))
