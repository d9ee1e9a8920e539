"""The files beside the weights: equal weights under other names of classes, or other pixels, are another model."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from expunge.errors import ModelError
from expunge.release._files import file_digest

DESCRIBING = ("config.json", "expunge.json", "preprocessor_config.json", "processor_config.json")
"""Files of a model directory that say which classes its outputs stand for, how it computes them, from which pixels."""


def describing(folder: Path) -> dict[str, str]:
    """SHA-256 of those files of a model directory that say what its outputs mean, by name.

    Raises:
        ModelError: One of them cannot be read.
    """
    try:
        return {name: file_digest(folder / name) for name in DESCRIBING if (folder / name).is_file()}
    except OSError as error:
        raise ModelError(f"The files of the model in {folder} cannot be read: {error.strerror or error}.") from error


def among(files: Mapping[str, str]) -> dict[str, str]:
    """The same, out of the digests of all files of a directory."""
    return {name: files[name] for name in DESCRIBING if name in files}


def differing(recorded: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the files that are not in both with the same digest."""
    names: Iterable[str] = {*recorded, *found}
    return tuple(sorted(name for name in names if recorded.get(name) != found.get(name)))
