"""Memories on disk: one folder, with an index and one safetensors file a class.

memory.json         the model, the entry, the classes; for each that is known, count, size and digest
00017.safetensors   mean and factors of class 17 as float16, its prototype as float32

Half precision rounds each number to 11 significant bits, by at most 2⁻¹¹ of itself; what is smaller than 6·10⁻⁵ by at
most 3·10⁻⁸. Tensors with values past float16's 65,504 are divided by a power of two first, which changes nothing else.

A class is forgotten by the index first, which is replaced at once, and only then are files deleted that no index names.
Cut off in between, the memory is the new one already, and the same call, or the next, deletes what is left. The other
way round, a crash would leave an index that names files which are gone. Only safetensors and JSON are ever read.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from expunge.durable import replace_file, sync_folder, whole_folder, write_file, writing
from expunge.errors import ClassMemoryError, DamagedMemoryError, OutputError, UnknownClassError
from expunge.locks import in_turn
from expunge.memory.index import FILE, Entry, Index
from expunge.memory.memory import Memory
from expunge.memory.statistics import ClassStatistics
from expunge.vision import VisionModel

_LARGEST = float(torch.finfo(torch.float16).max)

PRIVATE = 0o600
"""Statistics of people are for the eyes of whoever runs the memory."""


def save_memory(memory: Memory, folder: Path) -> None:
    """Writes a memory; see `write_memory`."""
    write_memory(folder, memory.entry, memory.model, memory.classes, memory.statistics.items())


def write_memory(
    folder: Path,
    entry: int,
    model: str,
    classes: tuple[str, ...],
    statistics: Iterable[tuple[int, ClassStatistics]],
) -> Index:
    """Writes statistics to a new or empty folder as they come, one class at a time; the folder appears whole.

    Equal statistics give equal bytes.

    Raises:
        OutputError: The folder holds something already, or cannot be written.
    """
    check_free(folder)
    with writing(folder), whole_folder(folder, mode=0o700) as partial:
        entries = tuple(_write_class(partial, label, one) for label, one in statistics)
        index = Index.of(entry, model, classes, entries)
        write_file(partial / FILE, index.to_json(), mode=PRIVATE)
    return index


def check_free(folder: Path) -> None:
    """Refuses a folder that holds something, before any work is done.

    Raises:
        OutputError: It does, or is no folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is not an empty folder; give the memory a new one")


def load_memory(folder: Path, model: VisionModel | None = None, *, sha256: str | None = None) -> Memory:
    """Reads what `save_memory` wrote.

    Each file is read once for its digest. Means and factors stay in float16 and are read from the disk when they are
    used, so this takes little room even for many classes.

    Args:
        folder: The memory.
        model: The model that it is to be used with, before any edit; None leaves that unchecked.
        sha256: Digest of that model, where it is known.

    Raises:
        MemoryNotFoundError: There is no memory.
        DamagedMemoryError: A file is missing, is not the one that was written, or is of another version.
        MemoryMismatchError: It was taken from another model.
    """
    index = Index.read(folder)
    memory = Memory(index.entry, index.model, index.classes, {})
    if model is not None:
        memory.check_model(model, sha256)
    statistics = {one.index: _read_class(folder, one) for one in index.statistics}
    if len({(one.mean.shape, one.prototype.shape) for one in statistics.values()}) > 1:
        raise DamagedMemoryError(f"{folder} is damaged: the statistics of its classes are not of one shape")
    return Memory(index.entry, index.model, index.classes, statistics)


def forget_classes(folder: Path, classes: Sequence[str]) -> None:
    """Deletes the statistics of classes; the rest is, byte for byte, what calibrating without them gives.

    Classes without statistics are passed over, so that a call that was cut off can be repeated.

    Raises:
        UnknownClassError: A name is no class of the model.
        MemoryNotFoundError: There is no memory.
        DamagedMemoryError: The index cannot be read.
        OutputError: The disk refuses.
    """
    index = Index.read(folder)
    for name in classes:
        if name not in index.classes:
            raise UnknownClassError(f"{name!r} is no class of the model that the memory {folder} was taken from")
    with writing(folder), in_turn(folder):
        index = Index.read(folder)  # another process may have been here
        kept = index.without(classes)
        if kept != index:
            replace_file(folder / FILE, kept.to_json(), mode=PRIVATE)
        _sweep(folder, kept)


def _sweep(folder: Path, index: Index) -> None:
    """Deletes statistics that the index does not name."""
    named = {one.file for one in index.statistics}
    for path in sorted(folder.iterdir()):
        if re.fullmatch(r"\d{5,}\.safetensors", path.name) and path.name not in named:
            path.unlink()
    sync_folder(folder)


def _write_class(folder: Path, label: int, found: ClassStatistics) -> Entry:
    mean, mean_scale = _halved(found.mean)
    factors, factors_scale = _halved(found.factors)
    tensors = {
        "mean": mean,
        "mean_scale": mean_scale,
        "factors": factors,
        "factors_scale": factors_scale,
        "prototype": found.prototype.float().contiguous(),
    }
    data = save(tensors)
    sha256 = hashlib.sha256(data).hexdigest()
    entry = Entry(index=label, count=found.count, directions=len(factors), size=len(data), sha256=sha256)
    write_file(folder / entry.file, data, mode=PRIVATE)
    return entry


def _read_class(folder: Path, entry: Entry) -> ClassStatistics:
    path = folder / entry.file
    try:
        if path.stat().st_size != entry.size:
            raise ClassMemoryError(f"expected {entry.size} bytes, found {path.stat().st_size}")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                raise ClassMemoryError("its SHA-256 is not the one in the index")
        tensors = load_file(path)
        mean, factors, prototype = (tensors[name] for name in ("mean", "factors", "prototype"))
        if factors.shape[1:] != mean.shape or len(factors) != entry.directions or prototype.ndim != 1:
            raise ClassMemoryError("the tensors have other shapes than statistics have")
        mean, factors = _restored(mean, tensors["mean_scale"]), _restored(factors, tensors["factors_scale"])
        return ClassStatistics(entry.count, mean, factors, prototype)
    except (OSError, SafetensorError, KeyError, ClassMemoryError, RuntimeError, IndexError) as error:
        raise DamagedMemoryError(f"{path} is damaged or missing: {error}. Restore it, or calibrate anew") from error


def _halved(values: Tensor) -> tuple[Tensor, Tensor]:
    """In float16, and the power of two that they were divided by, 1 where all fit."""
    values = values.float()
    largest = float(values.abs().max()) if values.numel() else 0.0
    scale = 2.0 ** (math.frexp(largest)[1] - 15) if largest > _LARGEST else 1.0
    return (values / scale).half().contiguous(), torch.tensor(scale)


def _restored(values: Tensor, scale: Tensor) -> Tensor:
    factor = float(scale)
    if not (math.isfinite(factor) and factor > 0):
        raise ClassMemoryError(f"a scale of {factor}")
    return values if factor == 1.0 else values.float() * factor
