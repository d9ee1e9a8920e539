"""The machine that a benchmark ran on, for whoever reads its numbers later."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from expunge.bench._results import Machine

CODE = (":/src", ":/pyproject.toml")
"""Paths of the code that decides what runs, from the top of the source tree."""
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


def commit() -> str:
    """The commit of the source tree that this package runs from, or "" where it is no git checkout.

    "+dirty" follows where the code is not as committed. Ask before the work begins: the tree may move on meanwhile.
    """
    try:
        head = _git("rev-parse", "HEAD")
        return f"{head}+dirty" if _git("status", "--porcelain", "--", *CODE) else head
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, cwd=here, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
