import pytest

from expunge.zoo.scenes.cutouts import FILES, folder


@pytest.fixture(autouse=True)
def _photos() -> None:
    """The photos are not in the repository; `scripts/scenes_sheet.py` draws them from the packages that hold them."""
    if not all((folder() / name).is_file() for name in FILES):
        pytest.skip("the photos of zoo/scenes/sheet were not drawn")
