"""Choice of the device a model runs on."""

from contextlib import AbstractContextManager, nullcontext

import torch

from expunge.errors import DeviceError


def choose_device(spec: str = "auto") -> torch.device:
    """The device that a user asked for.

    Args:
        spec: "auto" for the first CUDA device, or the CPU where there is none; or a torch device such as
            "cpu" or "cuda:1".

    Raises:
        DeviceError: `spec` is not a device, or is not on this machine.
    """
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if spec == "auto":
        return torch.device("cuda" if cuda else "cpu")
    try:
        device = torch.device(spec)
    except RuntimeError as error:
        raise DeviceError(f"Expected a device such as auto, cpu or cuda:0; got {spec!r}.") from error
    if device.type == "cuda" and (device.index or 0) >= cuda:
        raise DeviceError(f"{spec!r} is not on this machine, which has {cuda} CUDA devices. Use auto or cpu.")
    return device


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """A context for forward passes: bfloat16 on a CUDA device that supports it, and nothing elsewhere."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
