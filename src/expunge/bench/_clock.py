"""A stopwatch that waits for the device, and a clean start for the measure of memory."""

import ctypes
import sys
import time

import torch


def now(device: torch.device) -> float:
    """Seconds on a steady clock, once the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def release(device: torch.device) -> None:
    """Gives back what earlier work has freed.

    An allocator keeps freed memory for itself. Whoever comes later would find it, need nothing new, and look frugal.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; other C libraries have none
        if trim is not None:
            trim(0)
