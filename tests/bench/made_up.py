"""Made-up cells that look like a benchmark's, for tests and for judging figures by eye.

`python -m tests.bench.made_up FOLDER` writes a whole folder of them.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from expunge.bench._results import ANCHORS, Cell, Machine, RequestResult, Value

METHODS = (
    *ANCHORS,
    *("damp", "deep-unlearning", "delete", "der", "der++", "ewc", "fdr", "fg-oriu", "gs-lora", "gs-lora++", "l2"),
    *("lirf", "lwf", "mas", "neg-grad+", "random-labels", "retrain", "salun", "scrub", "scrub-s", "ssd"),
)
MACHINE = Machine(
    processor="Example CPU", cores=2, threads=1, memory_gb=7.5, device="cpu", versions={"torch": "2.13.0"}
)


def rate(value: float, aim: str = "low", n: int = 50) -> Value:
    """A rate of `value` % with a made-up interval of ± 5 points."""
    low, high = max(0.0, value - 5), min(100.0, value + 5)
    return Value.model_validate({"value": value, "unit": "%", "n": n, "low": low, "high": high, "aim": aim})


def request(number: int, readings: Mapping[str, Value], **fields: object) -> RequestResult:
    """One request with the given readings; `seconds`, `bytes` and so on by name."""
    usual = {
        "classes": (f"class-{number}",),
        "seconds": 2.0,
        "peak_mb": 10.0,
        "images": (8, 80),
        "parameters": 1000,
        "bytes": 4_000_000,
    }
    return RequestResult.model_validate({**usual, "number": number, "readings": readings, **fields})


def cell(method: str, seed: int, requests: Sequence[RequestResult], **fields: object) -> Cell:
    """One cell of the suite `faces`, setting `replay`, unless said otherwise."""
    usual = {
        "suite": "faces",
        "setting": "replay",
        "key": "0" * 64,
        "base": "1" * 64,
        "commit": "abc1234",
        "machine": MACHINE,
    }
    return Cell.model_validate({**usual, "method": method, "seed": seed, "requests": tuple(requests), **fields})


def write(folder: Path, cells: Sequence[Cell]) -> Path:
    """Puts cells where the benchmark keeps them."""
    for one in cells:
        path = folder / "cells" / one.suite / one.setting / one.method / f"seed-{one.seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one.to_json(), encoding="utf-8")
    return folder


def likely(method: str, seed: int, requests: int, **fields: object) -> Cell:
    """A cell with figures as one might see them, drawn from the method's name and the seed."""
    rng = np.random.default_rng([*method.encode(), seed, requests])
    talent = np.random.default_rng([*method.encode()]).uniform(0, 1)
    knows = {"original": 1.0, "head-mask": 1.0, "oracle-scratch": 0.0, "oracle-finetune": 0.3}.get(method, talent)
    speed = {"original": 0.0, "head-mask": 0.0004, "oracle-scratch": 240.0, "oracle-finetune": 60.0}
    made = []
    for number in range(1, requests + 1):
        kept = 88 - (0 if method in ANCHORS else 12 * talent * number / requests) + rng.normal(0, 1.5)
        gone = 85.0 if method == "original" else 0.0 if method in ANCHORS else float(rng.uniform(0, 6) * talent)
        drop = 86 - gone
        probe = {key: float(np.clip(base + 45 * knows + rng.normal(0, 2), 0, 100)) for key, base in PROBES.items()}
        readings = {key: rate(value, "oracle", 600) for key, value in probe.items()}
        readings |= {
            "acc_f": rate(gone),
            "acc_r": rate(kept, "high", 900),
            "h": Value(value=2 * kept * drop / (kept + drop), unit="%", n=950, aim="high"),
        }
        if number > 1:
            readings["acc_o"] = rate(gone + talent * number, "low", 50 * number)
        seconds = speed.get(method, float(10 ** (2 * talent) * rng.uniform(0.9, 1.1)))
        made.append(request(number, readings, seconds=seconds, peak_mb=float(rng.uniform(20, 300))))
    return cell(method, seed, made, **fields)


PROBES = {
    "linear_probe": 42.0,
    "prototype_relearning_1": 20.0,
    "prototype_relearning_5": 38.0,
    "prototype_relearning_10": 45.0,
    "rank1": 30.0,
    "cmia_auc": 50.0,
    "int8_linear_probe": 41.0,
}


def broken_package(folder: Path) -> Path:
    """Installs a package into a folder that is then put on the path; its suite `stranger` cannot be made."""
    (folder / "strangers.py").write_text("def suite(quick):\n    return 1 / 0\n", encoding="utf-8")
    info = folder / "strangers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[expunge.suites]\nstranger = strangers:suite\n", encoding="utf-8")
    return folder


def main() -> None:
    """Writes three suites, one of them with holes."""
    folder = Path(sys.argv[1])
    for suite, setting, requests in (("faces", "replay", 4), ("faces", "4-shot", 20), ("fashion", "replay", 5)):
        cells = [
            likely(method, seed, requests, suite=suite, setting=setting)
            for method in METHODS
            for seed in range(3)
            if not (suite == "fashion" and (method == "salun" or (method == "lirf" and seed == 2)))
        ]
        write(folder, cells)


if __name__ == "__main__":
    main()
