"""Reads the finished cells of a benchmark from its folder: `cells/<suite>/<setting>/<method>/seed-<n>.json`."""

from pathlib import Path

from expunge.bench._results import Cell
from expunge.errors import CorruptRunError, EvidenceError


def load_cells(folder: Path) -> tuple[Cell, ...]:
    """All finished cells below `folder`, sorted by suite, setting, method and seed.

    Args:
        folder: What `expunge bench run` was given as `--out`.

    Raises:
        EvidenceError: There is no finished cell.
        CorruptRunError: A file is damaged, or is not the cell that its path says; the message names the file.
    """
    cells = [read_cell(path) for path in sorted((folder / "cells").glob("*/*/*/seed-*.json"))]
    if not cells:
        raise EvidenceError(
            f"Expected finished cells in {folder}/cells, found none. "
            f"Run `expunge bench run SUITE --out {folder}` first, or name the folder it wrote to."
        )
    return tuple(sorted(cells, key=lambda cell: (cell.suite, cell.setting, cell.method, cell.seed)))


def read_cell(path: Path) -> Cell:
    """The finished cell in a file, which must be the one that its path says.

    Raises:
        CorruptRunError: It is damaged, or another one; the message names the file.
    """
    try:
        cell = Cell.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CorruptRunError(f"{path}: cannot be read as text: {error}. Delete the file and run again.") from error
    except CorruptRunError as error:
        raise CorruptRunError(f"{path}: {error}") from error
    said = (*path.parts[-4:-1], path.stem)
    held = (cell.suite, cell.setting, cell.method, f"seed-{cell.seed}")
    if said != held:
        raise CorruptRunError(
            f"{path}: expected the cell that the path names, it holds {'/'.join(held)}. "
            "Put the file back where it belongs, or delete it and run again."
        )
    return cell
