"""The whole demo, as `make demo` runs it."""

import json

import pytest
import torch

from expunge.cli._demo import STEPS, _budget
from expunge.cli.app import run


def test_only_methods_that_train_are_cut_short() -> None:
    assert _budget("auto", 4) == _budget("head-mask", 4) == {}
    assert _budget("gs-lora++", 4) == {"last_blocks": 4, "max_steps": STEPS}
    assert _budget("ssd", 4) == {"last_blocks": 4}


def test_a_depth_is_refused_where_there_is_none(tmp_path, capsys) -> None:
    assert run(["demo", "--method", "gs-lora++", "--depth", "fast", "--out", str(tmp_path / "demo")]) == 2
    assert "--set last_blocks=N" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
def test_demo_reaches_its_aims(tmp_path) -> None:
    torch.set_num_threads(2)
    try:
        assert run(["demo", "--out", str(tmp_path / "demo")]) == 0
    finally:
        torch.set_num_threads(1)
    metrics = json.loads((tmp_path / "demo/metrics.json").read_text())
    assert metrics["method"] == "closed-form++"
    assert metrics["baseline"]["acc"] >= 97
    assert [len(request["classes"]) for request in metrics["requests"]] == [5, 5, 5, 5]
    for request in metrics["requests"]:
        assert request["images"]["forget"] == 20
        assert request["acc_f"]["after"] <= 4  # one photo of 25
        assert request["acc_o"] is None or request["acc_o"]["after"] <= 5
        assert request["acc_r"]["after"] >= request["acc_r"]["before"] - 5
        assert request["groups"] == {"total": 12, "kept": 6}
    from transformers import AutoModel

    assert AutoModel.from_pretrained(tmp_path / "demo/model").config.num_hidden_layers == 12
