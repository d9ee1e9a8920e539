"""What the commands must be told of an ONNX file: its class names and its preprocessing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from expunge.errors import RequestError

ClassesOption = Annotated[
    Path | None, typer.Option(help="For an ONNX file: its class names, one a line, in the order of the logits.")
]
PreprocessOption = Annotated[
    Path | None,
    typer.Option(
        help='For an ONNX file: preprocessor_config.json, or {"size": [h, w], "mean": [r, g, b], "std": [r, g, b]}.'
    ),
]


def told_of(source: str, classes: str | Path | None, preprocess: str | Path | None) -> dict[str, Any]:
    """The arguments of `expunge.load` for one source: nothing unless it is an ONNX file."""
    from expunge.vision import is_onnx

    given = {"classes": classes, "preprocess": preprocess} if is_onnx(source) else {}
    return {name: Path(path) for name, path in given.items() if path is not None}


def refuse_in_vain(sources: Sequence[str], classes: str | Path | None, preprocess: str | Path | None) -> None:
    """Stops where the options are given and no source is an ONNX file.

    Raises:
        RequestError: They are.
    """
    from expunge.vision import is_onnx

    if (classes is not None or preprocess is not None) and not any(map(is_onnx, sources)):
        raise RequestError(
            f"--classes and --preprocess are for ONNX files, and {sources[0]} is none: it has its own; leave them out"
        )
