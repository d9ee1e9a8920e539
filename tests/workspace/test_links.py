"""Links in the quarantine: what they lead to is never touched, and nothing is recorded as destroyed that is not."""

import shutil

import pytest

from expunge.errors import DamagedWorkspaceError
from expunge.workspace import State, Workspace
from expunge.workspace.disk import remove_folder
from tests.workspace.tools import JANE, assert_sound, write_images


@pytest.fixture
def elsewhere(tmp_path):
    return write_images(tmp_path / "elsewhere" / "below").parent


@pytest.mark.parametrize("name", ["mine", "r-0123456789", ".r-0123456789"])
def test_opening_a_workspace_leaves_alone_what_a_link_leads_to(place, elsewhere, name) -> None:
    (place.path / "quarantine" / name).symlink_to(elsewhere)
    Workspace.open(place.path).close()
    assert len(list(elsewhere.rglob("*.png"))) == 3
    assert (place.path / "quarantine" / name).is_symlink() == (name == "mine")


def test_opening_a_workspace_removes_nothing_that_is_not_its_own(place, elsewhere) -> None:
    (place.path / "quarantine").rmdir()
    (place.path / "quarantine").symlink_to(elsewhere)
    Workspace.open(place.path).close()
    assert len(list(elsewhere.rglob("*.png"))) == 3


def test_a_link_is_removed_itself(tmp_path, elsewhere) -> None:
    (tmp_path / "link").symlink_to(elsewhere)
    remove_folder(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    assert len(list(elsewhere.rglob("*.png"))) == 3


@pytest.mark.parametrize("inside", ["", "0"])
def test_images_behind_a_link_are_not_called_destroyed(place, images, tmp_path, inside) -> None:
    request = place.submit(["amber"], images, JANE).id
    linked = place.path / "quarantine" / request / inside
    shutil.move(linked, tmp_path / "larger-disk")
    linked.symlink_to(tmp_path / "larger-disk")
    place.move(request, State.REFUSED, JANE, "no")
    with pytest.raises(DamagedWorkspaceError, match="is a link"):
        place.destroy_images(request, JANE)
    assert len(list((tmp_path / "larger-disk").rglob("*.png"))) == 3
    assert linked.is_symlink()
    assert place.request(request).destroyed is None
    linked.unlink()
    shutil.move(tmp_path / "larger-disk", linked)
    assert place.destroy_images(request, JANE).destroyed
    assert_sound(place)
