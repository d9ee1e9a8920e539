"""The layout `train/<class>/*`, `test/<class>/*`: listing it, and refusing what deviates from it."""

import os
import unicodedata
from pathlib import Path

from expunge.data.files import IMAGE_SUFFIXES
from expunge.errors import DataLayoutError, DuplicateClassError

PARTS = ("train", "test")
_SHOWN = 10


def class_folders(root: Path, *, untrained: bool = False) -> tuple[str, ...]:
    """Names of the class folders, the same below `train` and `test`, sorted by class name.

    Args:
        root: The data root.
        untrained: Whether `train` may lack some of the folders below `test`, or be missing.

    Raises:
        DataLayoutError: `root`, `train` or `test` is missing or holds no folder, or their classes differ.
        DuplicateClassError: Two names differ by case or Unicode normalisation only.
    """
    absent = untrained and not os.path.lexists(root / PARTS[0])
    train, test = set() if absent else _folders(root, PARTS[0]), _folders(root, PARTS[1])
    _check_spelling(sorted(train | test))
    if untrained:
        train |= test
    for part, names, others in (("train", train, test - train), ("test", test, train - test)):
        if not names:
            raise _layout_error(root, f"{root / part} holds no class folder", root / part)
        if others:
            raise _layout_error(root, f"{root / part} lacks the classes {_first(sorted(others))}", root / part)
    return tuple(sorted(train, key=class_name))


def _folders(root: Path, part: str) -> set[str]:
    return {entry.name for entry in _entries(root, part) if os.path.isdir(entry.path)}


def class_name(folder: str) -> str:
    """The class a folder stands for: its name, in the composed form whatever the file system keeps."""
    return unicodedata.normalize("NFC", folder)


def image_files(root: Path, folder: str) -> dict[str, str]:
    """The images directly in a class folder, sorted by name.

    Hidden files, nested folders and files with another suffix are left out.

    Args:
        root: The data root.
        folder: Path of the class folder below `root`.

    Returns:
        For each file name the real path of the file.

    Raises:
        DataLayoutError: A link leads out of `root`.
    """
    real_folder = _real_path(root, folder)
    files = {}
    for entry in _entries(root, folder):
        if not _is_image(entry):
            continue
        if entry.is_symlink():
            files[entry.name] = os.path.realpath(entry.path)
        else:  # resolving every path would cost more than the listing
            files[entry.name] = os.path.join(real_folder, entry.name)
    return files


def _entries(root: Path, folder: str) -> list[os.DirEntry[str]]:
    """Entries of a folder within the root, sorted by name, without hidden ones."""
    _real_path(root, folder)
    try:
        with os.scandir(root / folder) as found:
            entries = sorted((entry for entry in found if entry.name[0] != "."), key=lambda entry: entry.name)
    except OSError as error:
        raise _layout_error(root, f"cannot list {root / folder} ({error.strerror})", root) from error
    for entry in entries:
        if not _is_unicode(entry.name):
            raise DataLayoutError(f"the name {entry.name!a} in {root / folder} is not Unicode text: rename it")
        if entry.is_symlink():
            _real_path(root, f"{folder}/{entry.name}")
    return entries


def _is_image(entry: os.DirEntry[str]) -> bool:
    if Path(entry.name).suffix.lower() not in IMAGE_SUFFIXES:
        return False
    if entry.is_symlink():  # a link to nothing counts: an unreadable image must not vanish unseen
        return not os.path.isdir(entry.path)
    return entry.is_file()


def _real_path(root: Path, below: str) -> str:
    """The path with all links followed; refuses one outside the root."""
    real = os.path.realpath(root / below)
    if not Path(real).is_relative_to(os.path.realpath(root)):
        raise DataLayoutError(
            f"{root / below} is a link to {real}, outside the data root {root}: copy the files into the root"
        )
    return real


def _check_spelling(folders: list[str]) -> None:
    seen: dict[str, str] = {}
    for folder in folders:
        compatible = unicodedata.normalize("NFKC", folder)
        folded = unicodedata.normalize("NFKC", compatible.casefold())
        other = seen.setdefault(folded, folder)
        if other != folder:
            raise DuplicateClassError(
                f"the class folders {other!r} ({other!a}) and {folder!r} ({folder!a}) differ only by case or "
                "Unicode normalisation: give each class one spelling, in train and in test"
            )


def _layout_error(root: Path, problem: str, looked_in: Path) -> DataLayoutError:
    """The problem, the layout that is expected, and what is there."""
    expected = ", ".join(f"{root / part}/<class>/<image>" for part in PARTS)
    return DataLayoutError(f"{problem}: expected {expected} with the same classes in both; {_found(looked_in)}")


def _found(folder: Path) -> str:
    try:
        names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir() if path.name[0] != ".")
    except OSError:
        return f"{folder} is no folder that can be listed"
    return f"{folder} holds {_first(names)}" if names else f"{folder} is empty"


def _first(names: list[str]) -> str:
    more = f", … ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
