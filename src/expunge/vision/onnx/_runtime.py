"""ONNX Runtime beside torch: what a file answers, and how far a module is from it."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import OnnxFileError
from expunge.vision.onnx._module import OnnxModule

READ, WRITTEN = 1e-3, 1e-4
"""Largest difference of a file's output, absolute or as a part of it: of a model that is read, and of one written."""
PICTURES = 3
"""Random pictures that both are asked about: another number than the module was made with."""


@torch.no_grad()
def compare(module: OnnxModule, path: Path, tolerance: float) -> float:
    """Asks ONNX Runtime and the module about the same random pictures.

    Args:
        module: The module.
        path: The file.
        tolerance: The largest difference that is borne.

    Returns:
        The largest absolute difference.

    Raises:
        OnnxFileError: The runtime cannot run the file, or answers otherwise.
    """
    pixels = torch.randn(PICTURES, 3, *module.size, generator=torch.Generator().manual_seed(1))
    device = next(module.parameters()).device
    logits = module(pixels.to(device)).cpu()
    mine = {"Softmax": logits.softmax(-1), "LogSoftmax": logits.log_softmax(-1)}.get(module.after, logits)
    theirs = _answers(module, path, pixels)
    if theirs.shape != mine.shape or not torch.allclose(theirs, mine, rtol=tolerance, atol=tolerance):
        worst = float((theirs - mine).abs().max()) if theirs.shape == mine.shape else float("inf")
        raise OnnxFileError(
            f"it answers otherwise in ONNX Runtime than read into torch: by up to {worst:.2g}, where {tolerance:g} "
            "is borne. Please report the operators of the file"
        )
    return float((theirs - mine).abs().max())


def _answers(module: OnnxModule, path: Path, pixels: Float[Tensor, "n ch h w"]) -> Tensor:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        (given,) = [one for one in session.get_inputs() if one.name == module.input_name]
        batches = pixels.split(1) if given.shape[0] == 1 else [pixels]
        if module.channels_last:
            batches = [batch.movedim(1, -1).contiguous() for batch in batches]
        found = [session.run([module.output], {given.name: batch.numpy()})[0] for batch in batches]
    except Exception as error:  # the runtime raises classes of its own that share no base
        raise OnnxFileError(f"ONNX Runtime cannot run it: {str(error).strip().partition(chr(10))[0]}") from error
    return torch.cat([torch.from_numpy(one) for one in found])
