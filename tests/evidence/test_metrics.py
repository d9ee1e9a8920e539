"""`metrics.json`: its exact text, the way back, and what a damaged file is told."""

import json
import re
from collections.abc import Callable
from typing import Any

import pydantic
import pytest

from expunge.errors import CorruptRunError
from expunge.evidence import (
    Baseline,
    Change,
    Groups,
    HeadMask,
    ImagesUsed,
    Metrics,
    ModelInfo,
    Parameters,
    Report,
    RequestMetrics,
    WeightsAlone,
)
from expunge.values import Rate

REQUEST = RequestMetrics(
    classes=("ada",),
    images=ImagesUsed(forget=25, retain=175),
    seconds=41.0049,
    acc_f=Change.between(Rate(24, 25), Rate(0, 25)),
    acc_r=Change.between(Rate(2, 3), Rate(1, 3)),
    acc_o=None,
    acc_m=None,
    h=95.126,
    head_mask=HeadMask(acc_f=0.0, acc_r=95.4, h=95.5),
    groups=Groups(total=12, kept=4),
    parameters=Parameters(edited=98304, total=22056576),
    bytes=393216,
)
METRICS = Metrics(
    model=ModelInfo(name="zoo:faces", sha256="0f" * 32, classes=("ada", "bob")),
    method="gs-lora++",
    seed=0,
    baseline=Baseline(acc=95.238, n=200),
    requests=(REQUEST,),
)
# The issue's contract, key by key.
TEXT = """{
  "schema": "expunge/metrics/v1",
  "model": {
    "name": "zoo:faces",
    "sha256": "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
    "classes": [
      "ada",
      "bob"
    ]
  },
  "method": "gs-lora++",
  "seed": 0,
  "baseline": {
    "acc": 95.24,
    "n": 200
  },
  "requests": [
    {
      "classes": [
        "ada"
      ],
      "images": {
        "forget": 25,
        "retain": 175
      },
      "seconds": 41.0,
      "acc_f": {
        "before": 96.0,
        "after": 0.0,
        "n": 25,
        "ci95": [
          0.0,
          13.32
        ]
      },
      "acc_r": {
        "before": 66.67,
        "after": 33.33,
        "n": 3,
        "ci95": [
          6.15,
          79.23
        ]
      },
      "acc_o": null,
      "acc_m": null,
      "h": 95.13,
      "head_mask": {
        "acc_f": 0.0,
        "acc_r": 95.4,
        "h": 95.5
      },
      "groups": {
        "total": 12,
        "kept": 4
      },
      "parameters": {
        "edited": 98304,
        "total": 22056576
      },
      "bytes": 393216
    }
  ]
}
"""


def test_text() -> None:
    assert METRICS.to_json() == TEXT


def test_there_and_back(make_report: Callable[..., Report]) -> None:
    for metrics in (METRICS, make_report(missing=4).metrics):
        assert Metrics.parse(metrics.to_json()) == metrics


def test_missing_classes_add_one_figure_of_the_head_mask(make_report: Callable[..., Report]) -> None:
    row = json.loads(make_report(missing=4).metrics.to_json())["requests"][0]
    assert list(row["head_mask"]) == ["acc_f", "acc_r", "h", "acc_m"]
    assert row["acc_m"]["n"] == 20


def test_requests_are_added_not_changed() -> None:
    start = METRICS.model_copy(update={"requests": ()})
    assert start.with_request(REQUEST) == METRICS
    assert start.requests == ()
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        start.seed = 1


def test_a_class_is_forgotten_once() -> None:
    with pytest.raises(ValueError, match=r"requests\[1\]\.classes: 'ada' is already forgotten"):
        METRICS.with_request(REQUEST)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("schema",), "expunge/metrics/v2", "schema: Input should be 'expunge/metrics/v1'"),
        (("seed",), "0", "seed: .*valid integer, got '0'"),
        (("seed",), None, "seed: "),
        (("colour",), 1, "colour: Extra inputs are not permitted"),
        (("model", "sha256"), "0f", "model.sha256: .*, got '0f'"),
        (
            ("requests", 0, "acc_f", "after"),
            101.0,
            r"requests\[0\].acc_f.after: .*less than or equal to 100, got 101",
        ),
        (("requests", 0, "acc_f", "after"), float("nan"), r"requests\[0\].acc_f.after: .*got nan"),
        (("requests", 0, "acc_f", "ci95"), [0.0], r"requests\[0\].acc_f.ci95\[1\]: Field required"),
        (("requests", 0, "acc_f"), None, r"requests\[0\].acc_f: "),
        (("requests", 0, "seconds"), float("inf"), r"requests\[0\].seconds: .*finite"),
        (("requests", 0, "bytes"), -1, r"requests\[0\].bytes: .*greater than or equal to 0"),
        (("requests", 0, "classes"), ["zoe"], r"requests\[0\].classes: 'zoe' is not a class of the model"),
    ],
)
def test_damage_is_named(place: tuple[str | int, ...], value: Any, message: str) -> None:
    data: Any = json.loads(TEXT)
    *path, last = place
    spot = data
    for step in path:
        spot = spot[step]
    spot[last] = value
    with pytest.raises(CorruptRunError, match=message):
        Metrics.parse(json.dumps(data))


def test_a_missing_key_is_named() -> None:
    with pytest.raises(CorruptRunError, match=r"requests\[0\].h: Field required\. Restore the file"):
        Metrics.parse(re.sub(r' *"h": 95.13,\n', "", TEXT))


@pytest.mark.parametrize("text", ["", "{", TEXT[:-20], "[]"])
def test_a_torn_file_is_corrupt(text: str) -> None:
    with pytest.raises(CorruptRunError, match=r"metrics\.json does not follow"):
        Metrics.parse(text)


def test_more_problems_are_counted() -> None:
    with pytest.raises(CorruptRunError, match=r"\(and 1 more\)"):
        Metrics.parse(TEXT.replace('"seed": 0', '"seed": []').replace('"n": 200', '"n": -1'))


def test_rows_in_place_are_written_where_measured_and_read_back() -> None:
    change = Change.between(Rate(24, 25), Rate(5, 25))
    alone = WeightsAlone(acc_f=change, acc_o=None, h=84.444)
    metrics = METRICS.model_copy(update={"requests": (REQUEST.model_copy(update={"weights_alone": alone}),)})
    written = json.loads(metrics.to_json())["requests"][0]
    assert list(written)[-1] == "weights_alone"
    assert written["weights_alone"] == {
        "acc_f": {"before": 96.0, "after": 20.0, "n": 25, "ci95": [8.86, 39.13]},
        "acc_o": None,
        "h": 84.44,
    }
    assert Metrics.parse(metrics.to_json()) == metrics
    assert "weights_alone" not in METRICS.to_json()
