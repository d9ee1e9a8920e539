"""Ctrl-C in the middle of a sequence, in a process of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def command(model: Path, data: Path, out: Path, *more: str) -> list[str]:
    requests = ["--request", "amber", "--request", "blue", "--request", "coral"]
    start = [sys.executable, "-m", "expunge", "forget", str(model), "--data", str(data), "--out", str(out)]
    slow_enough = ("--method", "gs-lora++", "--set", "max_steps=60")
    return [*start, *requests, *slow_enough, *more]


def _heed_ctrl_c() -> None:
    """A job in the background of a script starts with SIGINT ignored, and hands that on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
def test_finished_requests_survive_and_resume_gives_the_same_bytes(toy_model_folder, toy_data_folder, tmp_path) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    process = subprocess.Popen(
        command(toy_model_folder, toy_data_folder, broken),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_ctrl_c,
    )
    deadline = time.monotonic() + 120
    while not (broken / "metrics.json").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "of 3 requests are kept" in said
    assert "--resume" in said
    assert (broken / "edits" / "0001" / "adapter_model.safetensors").exists()
    assert not (broken / "report.html").exists()

    for out, more in ((broken, ["--resume"]), (whole, [])):
        subprocess.run(command(toy_model_folder, toy_data_folder, out, *more), check=True, capture_output=True)
    for name in ("edits/0001/adapter_model.safetensors", "edits/0003/adapter_model.safetensors"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert (broken / "model/model.safetensors").read_bytes() == (whole / "model/model.safetensors").read_bytes()
