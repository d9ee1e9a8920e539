"""A training that was cut off goes on where it was: weights and AdamW's moments after each epoch, in one file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from expunge.durable import whole_file
from expunge.errors import CorruptWeightsError, DataError

MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class Progress:
    """A training after some epochs.

    Attributes:
        epochs: How many.
        module: What is trained.
        optimizer: An AdamW over all of its parameters.
    """

    epochs: int
    module: nn.Module
    optimizer: torch.optim.AdamW


def write_progress(path: Path, stamp: Mapping[str, object], progress: Progress) -> None:
    """Writes the file anew, whole or not at all.

    Args:
        path: The file; its folder is made if need be.
        stamp: What makes this training this one, such as its recipe.
        progress: Its state.
    """
    tensors = {f"weights.{name}": value for name, value in progress.module.state_dict().items()}
    for name, parameter in progress.module.named_parameters():
        state = progress.optimizer.state[parameter]
        tensors |= {f"{moment}.{name}": state[moment] for moment in MOMENTS}
        tensors["step"] = state["step"]
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"stamp": _text(stamp), "epochs": str(progress.epochs)}
    with whole_file(path) as partial:
        save_file({name: value.contiguous() for name, value in tensors.items()}, partial, metadata=metadata)


def read_progress(path: Path, stamp: Mapping[str, object], module: nn.Module, optimizer: torch.optim.AdamW) -> int:
    """Puts a training back to where the file left it.

    Returns:
        How many epochs are done.

    Raises:
        DataError: The file is of another training.
        CorruptWeightsError: It is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["stamp"] != _text(stamp):
            raise DataError(f"{path} is of a training with other settings: name another file, or remove it")
        prefix = "weights."
        module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        for name, parameter in module.named_parameters():
            optimizer.state[parameter] = {moment: tensors[f"{moment}.{name}"] for moment in MOMENTS}
            optimizer.state[parameter]["step"] = tensors["step"].clone()
        return int(metadata["epochs"])
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise CorruptWeightsError(f"{path} is damaged: {error}. Remove it to train from the start.") from error


def _text(stamp: Mapping[str, object]) -> str:
    return json.dumps(stamp, sort_keys=True)
