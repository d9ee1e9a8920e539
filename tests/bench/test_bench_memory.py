"""Peak memory: of the work inside alone, and never a made-up figure where a system does not tell it."""

from pathlib import Path

import pytest
import torch

from expunge.bench import _memory as memory
from expunge.bench._memory import peak_memory
from expunge.errors import BenchError

PROCESSOR = torch.device("cpu")


def test_what_is_held_and_let_go_inside_is_counted() -> None:
    with peak_memory(PROCESSOR) as peak:
        size = torch.ones(50_000_000).numel()  # 200 MB, gone at once
    assert size == 50_000_000
    assert 190 < peak.mb < 400


def test_a_system_that_tells_only_the_mark_of_a_whole_life(monkeypatch) -> None:
    nowhere = Path("/nowhere/status")
    monkeypatch.setattr(memory, "_STATUS", nowhere)
    monkeypatch.setattr(memory, "_CLEAR", nowhere)
    with peak_memory(PROCESSOR) as peak:
        pass
    assert peak.mb == 0.0


def test_a_system_that_tells_nothing_is_refused(monkeypatch) -> None:
    nowhere = Path("/nowhere/status")
    monkeypatch.setattr(memory, "_STATUS", nowhere)
    monkeypatch.setattr(memory, "_CLEAR", nowhere)
    monkeypatch.setattr(memory, "resource", None)
    with pytest.raises(BenchError, match="Linux and macOS"), peak_memory(PROCESSOR):
        pass
