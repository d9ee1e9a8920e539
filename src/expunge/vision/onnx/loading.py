"""Reading a classifier from an ONNX file: classes and preprocessing come with it or beside it."""

import json
from collections.abc import Sequence
from pathlib import Path

from expunge.errors import ExpungeError, ModelNotFoundError, OnnxFileError
from expunge.vision.model import VisionModel
from expunge.vision.onnx._building import build
from expunge.vision.onnx._file import OnnxFile, read_file, require_onnx
from expunge.vision.onnx._module import OnnxModule
from expunge.vision.onnx._operators import RAISED
from expunge.vision.onnx._runtime import READ, compare
from expunge.vision.preprocess import FILE as PREPROCESS
from expunge.vision.preprocess import Preprocess, read_preprocess
from expunge.vision.prompts import read_classes, words_of

SUFFIX = ".onnx"
CLASSES = "expunge.classes"
"""Metadata under which our own exports name their classes, as a list in JSON."""


def is_onnx(source: str | Path) -> bool:
    """Whether a source names an ONNX file."""
    return Path(source).suffix.lower() == SUFFIX and not Path(source).is_dir()


def is_graph(model: VisionModel) -> bool:
    """Whether a model was read from an ONNX file, so that it is saved as one."""
    return isinstance(model.module, OnnxModule)


def load_onnx(
    path: str | Path,
    classes: Sequence[str] | str | Path | None = None,
    preprocess: Preprocess | str | Path | None = None,
    *,
    name: str | None = None,
    source: Path | None = None,
) -> VisionModel:
    """Reads an image classifier from an ONNX file, on the CPU and in float32.

    It is read by operators of torch, and refused where it answers otherwise than in ONNX Runtime, by more than 1e-3.
    `save` writes the same file again with nothing but the edited initialisers changed.

    Args:
        path: The file.
        classes: Names in the order of the logits, or a text file with one a line. A file that expunge has exported
            names them itself.
        preprocess: How pictures become pixels, or a file that says so; see `expunge.vision.read_preprocess`. By default
            `preprocessor_config.json` in the folder of the file.
        name: What the model is called in reports; by default as the file.
        source: Where it was loaded from, if from elsewhere than the file.

    Raises:
        MissingExtraError: A package for ONNX is not installed.
        ModelNotFoundError: There is no such file, or nothing says its classes or its preprocessing.
        OnnxFileError: It is damaged, holds what is not read, or answers otherwise in ONNX Runtime.
        QuantizedWeightsError: It is quantised.
        HeadError: It is no classifier of these classes.
        NoBlocksError: No block was recognised.
    """
    require_onnx()
    path = Path(path)
    if not path.is_file():
        raise ModelNotFoundError(f"There is no file {path}.")
    prepared = _preprocess(path, preprocess)
    file = read_file(path)
    names = _classes(path, file, classes)
    try:
        module = build(file, len(names), prepared.size)
        compare(module, path, READ)
    except OnnxFileError as error:
        raise OnnxFileError(f"{path}: {error}") from error
    except ExpungeError:
        raise
    except RAISED as error:
        reason = str(error).strip().partition("\n")[0]
        raise OnnxFileError(f"{path}: the graph is damaged, its sizes do not go together: {reason}") from error
    return VisionModel(
        module,
        names,
        preprocess=prepared,
        name=path.stem if name is None else name,
        source=path if source is None else source,
        head_name=module.head_name,
    )


def _preprocess(path: Path, given: Preprocess | str | Path | None) -> Preprocess:
    beside = path.parent / PREPROCESS
    if given is None and not beside.is_file():
        raise ModelNotFoundError(
            f"Nothing says how pictures are prepared for {path}. Give a file: --preprocess FILE, in Python "
            f"preprocess=; either a {PREPROCESS} of transformers or "
            '{"size": [224, 224], "mean": [r, g, b], "std": [r, g, b]}.'
        )
    given = beside if given is None else given
    return read_preprocess(Path(given)) if isinstance(given, str | Path) else given


def _classes(path: Path, file: OnnxFile, given: Sequence[str] | str | Path | None) -> tuple[str, ...]:
    if isinstance(given, str | Path):
        return tuple(read_classes(Path(given)))
    if given is not None:
        return tuple(words_of(given))
    said = {entry.key: entry.value for entry in file.proto.metadata_props}.get(CLASSES)
    try:
        named = None if said is None else json.loads(said)
    except (ValueError, RecursionError):
        named = None
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise ModelNotFoundError(
            f"{path} does not name its classes. Give a file with one a line, in the order of the logits: "
            "--classes FILE, in Python classes=."
        )
    return tuple(words_of(named))
