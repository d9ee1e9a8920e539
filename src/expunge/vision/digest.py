"""A name for a module's exact weights."""

import hashlib
import json

import torch
from torch import nn


def digest(module: nn.Module) -> str:
    """SHA-256 over every tensor of the state dict, in order of name: its name, dtype, shape and bytes.

    Returns:
        64 hexadecimal digits, which are equal where the weights are equal bit for bit, on any device.
    """
    sha = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        title = [name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        sha.update(json.dumps(title).encode() + b"\n")
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()
