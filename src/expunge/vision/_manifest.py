"""`expunge.json`: what a model directory says of itself beyond the weights."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from expunge.errors import CorruptWeightsError, HeadError
from expunge.vision.classifiers import POOLINGS
from expunge.vision.heads import Head, head_from_json, head_to_json
from expunge.vision.prompts import Prompts

FILE = "expunge.json"
SCHEMA = "expunge/model/v1"
HEADED_BACKBONE = "headed-backbone"
WEIGHTS = "weights"
ONNX = "onnx"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `expunge.json`.

    Attributes:
        kind: "headed-backbone" for a transformers backbone and `head.safetensors`; "weights" for those of a
            module that must be built in Python; "onnx" for a graph in `model.onnx`.
        classes: Names of the classes, in the order of the logits.
        head: The loss that belongs to the logits.
        pooling: Pooling of a headed backbone; None for weights.
        architecture: A name that builds the module of weights, such as "zoo:glyphs"; None where only Python can.
        prompts: What made the head's rows from class names; None where they were trained.
    """

    kind: str
    classes: tuple[str, ...]
    head: Head
    pooling: str | None = None
    architecture: str | None = None
    prompts: Prompts | None = None


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes `expunge.json` into a directory."""
    values: dict[str, Any] = {"schema": SCHEMA, "kind": manifest.kind}
    if manifest.pooling is not None:
        values["pooling"] = manifest.pooling
    if manifest.architecture is not None:
        values["architecture"] = manifest.architecture
    values |= {"head": head_to_json(manifest.head), "classes": list(manifest.classes)}
    if manifest.prompts is not None:
        values["prompts"] = asdict(manifest.prompts)
    text = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    (folder / FILE).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> Manifest | None:
    """Reads `expunge.json` from a directory; None where there is none.

    Raises:
        CorruptWeightsError: The file is damaged, or was written by another version.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        _check(values)
        head, named = head_from_json(values["head"]), (values.get("pooling"), values.get("architecture"))
        return Manifest(values["kind"], tuple(values["classes"]), head, *named, _prompts(values.get("prompts")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptWeightsError(f"{path} cannot be read: {error}") from error


def _prompts(values: dict[str, Any] | None) -> Prompts | None:
    if values is None:
        return None
    model, templates = values["model"], values["templates"]
    if not isinstance(templates, list) or not all(isinstance(text, str) for text in (model, *templates)):
        raise ValueError("expected the name of a text model, and a list of templates")
    return Prompts(model, tuple(templates))


def _check(values: dict[str, Any]) -> None:
    if values.get("schema") != SCHEMA:
        raise ValueError(f"expected schema {SCHEMA}, found {values.get('schema')!r}")
    kinds = (HEADED_BACKBONE, WEIGHTS, ONNX)
    if values["kind"] not in kinds:
        raise ValueError(f"expected kind {', '.join(kinds)}, found {values['kind']!r}")
    if values["kind"] == HEADED_BACKBONE and values.get("pooling") not in POOLINGS:
        raise HeadError(f"expected pooling {', '.join(POOLINGS)}, found {values.get('pooling')!r}")
    if not isinstance(values.get("architecture", ""), str):
        raise ValueError(f"expected the name of an architecture, found {values['architecture']!r}")
    classes = values["classes"]
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise ValueError("expected a list of class names")
