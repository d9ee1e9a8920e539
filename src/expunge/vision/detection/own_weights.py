"""Detectors that are no transformers models: a directory with the weights that are their own, and what builds the rest.

The directory holds `model.safetensors`, the tensors of one part of the module, and `expunge.json`, which names the
architecture that the part belongs to. Whoever reads it builds the architecture first and puts the part in; a digest of
the whole detector, the parts that are not in the directory included, tells whether it is the one that was written.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import safetensors.torch
from safetensors import SafetensorError

from expunge.errors import CorruptWeightsError, OutputError
from expunge.vision._manifest import FILE
from expunge.vision.wrapped import Wrapped

M = TypeVar("M", bound=Wrapped)

SCHEMA = "expunge/detector/v1"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a detector that transformers does not know: what it is made from.

    Attributes:
        architecture: A name that builds it, such as "zoo:scenes".
        part: Name of the submodule whose weights are its own; all others come with the architecture, frozen.
    """

    architecture: str
    part: str


def write_own_weights(model: Wrapped, origin: Origin, folder: Path) -> None:
    """Writes the model directory of a detector with an origin.

    Raises:
        OutputError: The directory cannot be written, or holds something already.
    """
    values = {
        "schema": SCHEMA,
        "architecture": origin.architecture,
        "part": origin.part,
        "sha256": model.digest(),
        "classes": list(model.classes),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        holds = next(folder.iterdir(), None)
        if holds is not None:
            raise OutputError(f"Expected {folder} to be empty or new; it holds {holds.name}. Name another directory.")
        safetensors.torch.save_model(model.module.get_submodule(origin.part), os.fspath(folder / WEIGHTS))
        text = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
        (folder / FILE).write_text(text, encoding="utf-8")
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"The model cannot be written to {folder}: {error}") from error


def read_origin(folder: Path) -> Origin | None:
    """The origin that a model directory names; None where it names none.

    Raises:
        CorruptWeightsError: What it says cannot be read.
    """
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # whoever reads the other kinds of directories tells what is wrong
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        return None
    if not isinstance(values.get("architecture"), str) or not isinstance(values.get("part"), str):
        raise CorruptWeightsError(f"{folder / FILE} names no architecture and part. Write the model again.")
    return Origin(values["architecture"], values["part"])


def read_own_weights(model: M, folder: Path) -> M:
    """Puts what `write_own_weights` wrote into a detector of the same architecture, which takes the directory's name.

    Raises:
        CorruptWeightsError: The weights are damaged, do not fit, or are not those that were written.
    """
    values, origin = json.loads((folder / FILE).read_text(encoding="utf-8")), read_origin(folder)
    if origin is None or values.get("classes") != list(model.classes):
        raise CorruptWeightsError(f"{folder / FILE} does not describe a detector like {model.name}. Write it again.")
    try:
        part = model.module.get_submodule(origin.part)
        safetensors.torch.load_model(part, os.fspath(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, AttributeError, OSError) as error:
        raise CorruptWeightsError(f"{folder / WEIGHTS} is damaged or does not fit {model.name}: {error}") from error
    if model.digest() != values.get("sha256"):
        raise CorruptWeightsError(
            f"the detector in {folder} is not the one that was written: its weights, or those that come with "
            f"{origin.architecture}, have changed. Write it again, or install the packages it was made with."
        )
    model.name, model.source = folder.name, folder
    return model
