"""A name for an exact edit."""

import hashlib
import json
from collections.abc import Iterator

import torch
from torch import Tensor

from expunge.adapters import Edit


def edit_digest(edit: Edit) -> str:
    """SHA-256 of an edit: first the classes it strikes, then every tensor with its name, dtype, shape and bytes.

    Returns:
        64 hexadecimal digits, which are equal where edits are equal bit for bit, in memory or on disk.
    """
    sha = hashlib.sha256(json.dumps(["expunge/edit/v1", list(edit.masked)]).encode() + b"\n")
    for kind, name, scale, tensor in _parts(edit):
        title = [kind, name, scale, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        sha.update(json.dumps(title).encode() + b"\n")
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def _parts(edit: Edit) -> Iterator[tuple[str, str, float, Tensor]]:
    """Kind, name, scale and tensor of all that an edit stores; an `Edit` keeps its names sorted."""
    for name, low in edit.deltas.items():
        yield "a", name, low.scale, low.a
        yield "b", name, low.scale, low.b
    for name, change in edit.dense.items():
        yield "dense", name, 1.0, change
