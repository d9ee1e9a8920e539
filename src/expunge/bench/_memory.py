"""Peak memory of a piece of work."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from expunge.errors import BenchError

try:
    import resource
except ImportError:  # Windows, which counts memory in another way
    resource = None

MEGABYTE = 1e6
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Peak:
    """Filled when the work is done: memory above what was held before, in MB."""

    mb: float = 0.0


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measures the work inside: on the device where it is a GPU, of the process elsewhere.

    Linux lets a process forget its high-water mark. Where it does not, the mark of the whole life so far is used, and
    work that stays below an earlier peak reads as 0.

    Raises:
        BenchError: The work runs on the processor, and this system says nothing of its memory.
    """
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = float(torch.cuda.memory_allocated(device))
        yield peak
        peak.mb = (torch.cuda.max_memory_allocated(device) - before) / MEGABYTE
        return
    before = _resident() if _forget_mark() else _mark()
    yield peak
    peak.mb = max(0.0, _mark() - before) / MEGABYTE


def _forget_mark() -> bool:
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _resident() -> float:
    return _field("VmRSS") or _mark()


def _mark() -> float:
    """The high-water mark in bytes."""
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    if mark := _field("VmHWM"):
        return mark
    if resource is None:
        raise BenchError(f"Peak memory can be read on Linux and macOS, not on {sys.platform}. Run the benchmark there.")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _field(name: str) -> float | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((1024.0 * float(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
