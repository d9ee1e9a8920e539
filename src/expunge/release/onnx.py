"""A model as one ONNX file, checked in ONNX Runtime against torch.

By torch's own exporter of today (`dynamo=True`), at its native operator set. Attention is written out for the export:
of fused attention over Swin's windows, the exporter makes nothing, and the older TorchScript exporter a file that
loads and answers wrongly.
"""

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.errors import MissingExtraError, OnnxError
from expunge.release._files import file_digest
from expunge.vision import VisionModel, is_graph

OPSET = 18
TOLERANCE = 1e-4
"""Largest difference between a logit by ONNX Runtime and by torch, absolute or as a part of the logit."""
FILE = "onnx/model.onnx"
"""Path of the export in a model directory, as on the Hugging Face Hub."""
INPUT, OUTPUT = "pixel_values", "logits"
_MOST_BYTES = 2**31 - 2**24  # protobuf's limit for one file, with room for the graph


@dataclass(frozen=True, slots=True)
class OnnxCheck:
    """An ONNX file that answers like torch.

    Attributes:
        sha256: Digest of the file.
        images: How many images both were asked about.
        largest_difference: Largest absolute difference between their logits.
    """

    sha256: str
    images: int
    largest_difference: float


def export_onnx(model: VisionModel, path: Path, pixels: Float[Tensor, "n ch h w"]) -> OnnxCheck:
    """Writes a model as an ONNX file for any number of images, and checks it.

    The file takes `pixel_values` (n, 3, h, w) and gives `logits` (n, classes). Its metadata hold the classes and the
    digest of the weights. It names no file of this machine, so equal models give equal bytes.

    Args:
        model: The model, with its edits.
        path: The file; its folder must exist.
        pixels: Prepared images (`model.prepare`), at least one: real ones say most.

    Raises:
        MissingExtraError: A package for ONNX is not installed.
        OnnxError: There is no image, the model is too large for one file or cannot be exported, it is an ONNX file
            already, or ONNX Runtime answers otherwise than torch.
    """
    require_onnx()
    if is_graph(model):
        raise OnnxError(
            f"{model.name} was read from an ONNX file, and its directory holds it as model.onnx, edited. Release it "
            "without an export."
        )
    _require_some(pixels)
    _require_small(model)
    program = _program(model, _two(pixels, model))
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces, with the paths of this machine
        node.doc_string = None
    program.model.metadata_props.update(
        {"expunge.weights": model.digest(), "expunge.classes": json.dumps(model.classes, ensure_ascii=False)}
    )
    program.save(path, external_data=False)
    return check_onnx(model, path, pixels)


def check_onnx(model: VisionModel, path: Path, pixels: Float[Tensor, "n ch h w"]) -> OnnxCheck:
    """Asks ONNX Runtime and torch about the same images, all together and the first one alone.

    Raises:
        MissingExtraError: A package for ONNX is not installed.
        OnnxError: There is no image, the file cannot be run, or a logit differs by more than `TOLERANCE`.
    """
    require_onnx()
    _require_some(pixels)
    import onnxruntime

    with torch.no_grad():
        expected = model(pixels).logits.cpu()
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        found = [torch.from_numpy(session.run([OUTPUT], {INPUT: part.numpy()})[0]) for part in (pixels, pixels[:1])]
    except Exception as error:  # the runtime raises classes of its own that share no base
        raise OnnxError(f"ONNX Runtime cannot run {path}: {error}") from error
    largest = 0.0
    for logits in found:
        wanted = expected[: len(logits)]
        if not torch.allclose(logits, wanted, rtol=TOLERANCE, atol=TOLERANCE):
            worst = (logits - wanted).abs().max()
            raise OnnxError(f"{path} answers otherwise than torch: logits differ by up to {worst:.2g}.")
        largest = max(largest, float((logits - wanted).abs().max()))
    return OnnxCheck(file_digest(path), len(pixels), largest)


def require_onnx() -> None:
    """Makes sure that export and check have what they need.

    Raises:
        MissingExtraError: Something is not installed.
    """
    missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"ONNX files need {', '.join(missing)}, not installed here. Run: pip install 'expunge[onnx]'"
        )


class _Logits(nn.Module):
    """A classifier that returns its logits alone."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pixel_values: Tensor) -> Tensor:
        returned = self.module(pixel_values)
        return returned if isinstance(returned, Tensor) else returned.logits


def _program(model: VisionModel, pixels: Tensor) -> Any:
    try:
        with _quiet_exporter(), torch.no_grad():
            return torch.onnx.export(
                _Logits(_written_out(model.module)).eval(),
                (pixels,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("n")},),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # whatever a model does that the exporter cannot follow
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise OnnxError(f"{model.name} cannot be exported to ONNX: {reason}") from error


def _written_out(module: nn.Module) -> nn.Module:
    """A copy of a module whose attention consists of plain products and a softmax."""
    from transformers import PreTrainedModel

    plain = copy.deepcopy(module)
    for part in plain.modules():
        if isinstance(part, PreTrainedModel):
            part.set_attn_implementation("eager")
    return plain


def _two(pixels: Tensor, model: VisionModel) -> Tensor:
    """Two images: with one, the exporter would take the number of images for a constant."""
    first = pixels[:1].to(model.device)
    return first.expand(2, *first.shape[1:]).contiguous()


def _require_some(pixels: Tensor) -> None:
    if not len(pixels):
        raise OnnxError("Expected at least one image to check an ONNX file with; got none.")


def _require_small(model: VisionModel) -> None:
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.module.state_dict().values())
    if size > _MOST_BYTES:
        raise OnnxError(f"{model.name} has {size:,} bytes of weights; one ONNX file holds at most {_MOST_BYTES:,}.")


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silences the exporter's log and warnings: what matters is raised."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
