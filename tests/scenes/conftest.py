import pytest

from expunge.errors import MissingExtraError
from expunge.zoo.scenes.cutouts import folder


@pytest.fixture(scope="session", autouse=True)
def _photos() -> None:
    """The photos are not in the repository; `scripts/scenes_sheet.py` draws them from the packages that hold them."""
    try:
        folder()
    except MissingExtraError as error:
        pytest.skip(str(error))
