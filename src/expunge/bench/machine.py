"""Where a benchmark ran, for whoever reads its numbers later."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from expunge.bench.results import Machine

PACKAGES = ("expunge", "torch", "transformers", "numpy")


def machine(device: str) -> Machine:
    """This machine, as it is now."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return Machine(
        processor=_processor(),
        cores=cores,
        threads=torch.get_num_threads(),
        memory_gb=round(pages / 1e9, 1),
        device=torch.cuda.get_device_name() if device.startswith("cuda") else device,
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    )


@cache
def commit() -> str:
    """The commit of the source tree that this package runs from, or "" where it is no git checkout."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
