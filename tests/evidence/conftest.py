"""Made-up runs for the report's tests, with numbers that are easy to tell apart."""

import io
import random
from collections.abc import Callable

import pytest
from PIL import Image

from expunge.evidence import (
    Baseline,
    Change,
    ClassAccuracy,
    Example,
    GroupNorms,
    Groups,
    HeadMask,
    ImagesUsed,
    Metrics,
    ModelInfo,
    Parameters,
    Prediction,
    Report,
    RequestMetrics,
)
from expunge.tasks.scores import harmonic_mean
from expunge.values import Rate


def _png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (9, 11), shade).save(buffer, "PNG")
    return buffer.getvalue()


def _change(rng: random.Random, classes: int, after: float, images: int) -> Change:
    n = classes * images
    return Change.between(Rate(round(n * rng.uniform(0.94, 0.99)), n), Rate(round(n * after), n))


def _request(rng: random.Random, number: int, names: tuple[str, ...], per: int, missing: int) -> RequestMetrics:
    first = (number - 1) * per
    kept = len(names) - number * per
    acc_f = _change(rng, per, 0.04 if number == 1 else 0.0, 5)
    acc_r = _change(rng, kept, rng.uniform(0.93, 0.98), 5)
    mask_r = min(100.0, acc_r.before + 0.7)
    return RequestMetrics(
        classes=names[first : first + per],
        images=ImagesUsed(forget=per * 5, retain=kept * 5),
        seconds=37.13 + 11.29 * number,
        acc_f=acc_f,
        acc_r=acc_r,
        acc_o=_change(rng, per * (number - 1), 0.02, 5) if number > 1 else None,
        acc_m=_change(rng, missing, 0.8, 5) if missing else None,
        h=harmonic_mean(acc_r.after, acc_f.before - acc_f.after),
        head_mask=HeadMask(
            acc_f=0.0,
            acc_r=mask_r,
            h=harmonic_mean(mask_r, acc_f.before),
            acc_m=93.4 if missing else None,
        ),
        groups=Groups(total=12, kept=7 - min(number, 4)),
        parameters=Parameters(edited=98304, total=22056576),
        bytes=393216 + number,
    )


def _classes(rng: random.Random, names: tuple[str, ...], requests: int, per: int) -> tuple[ClassAccuracy, ...]:
    entries = []
    for index, name in enumerate(names):
        fate = index // per + 1 if index < requests * per else None
        after = tuple(
            rng.choice([0.0, 0.0, 0.0, 20.0]) if fate and fate <= state else rng.choice([80.0, 100.0, 100.0])
            for state in range(1, requests + 1)
        )
        entries.append(ClassAccuracy(name, 5, rng.choice([80.0, 100.0, 100.0]), after, fate))
    return tuple(entries)


def _example(rng: random.Random, entry: ClassAccuracy, names: tuple[str, ...], requests: int) -> Example:
    def said(state: int) -> Prediction:
        known = entry.forgotten_at is None or state < entry.forgotten_at
        return Prediction(entry.name if known else rng.choice(names[-9:]), rng.uniform(0.7, 0.99 if known else 0.8))

    return Example(_png(rng.randrange(256)), entry.name, entry.forgotten_at, tuple(map(said, range(requests + 1))))


@pytest.fixture
def make_report() -> Callable[..., Report]:
    return build_report


def build_report(n_classes: int = 40, requests: int = 4, per: int = 5, missing: int = 0, **names: str) -> Report:
    """A plausible run; `names` overrides class names by position, as in `at_0="<script>"`."""
    rng = random.Random(7)
    called = [f"person {index:02d}" for index in range(1, n_classes + 1)]
    for key, name in names.items():
        called[int(key.removeprefix("at_"))] = name
    people = tuple(called)
    metrics = Metrics(
        model=ModelInfo(name="zoo:faces", sha256="9f86d081884c7d65" * 4, classes=people),
        method="gs-lora++",
        seed=17,
        baseline=Baseline(acc=97.5, n=n_classes * 5),
        requests=tuple(_request(rng, number, people, per, missing) for number in range(1, requests + 1)),
    )
    classes = _classes(rng, people, requests, per)
    shown = [*range(0, per * requests, per), *range(per * requests, min(per * requests + 2, n_classes))]
    norms = tuple(
        tuple(0.0 if rng.random() < 0.55 and block < 9 else rng.uniform(0.3, 2.4) for block in range(12))
        for _ in range(requests)
    )
    return Report(
        title=f"{requests * per} people forgotten from zoo:faces",
        metrics=metrics,
        classes=classes,
        groups=GroupNorms(tuple(f"backbone.encoder.layer.{block}" for block in range(12)), norms),
        examples=tuple(_example(rng, classes[index], people, requests) for index in shown),
        command="expunge demo --out forgotten --seed 17",
        environment={"expunge": "0.1.0", "Python": "3.11.7", "torch": "2.13.0", "Device": "cpu, 2 threads"},
        created="2026-11-24T06:11:00+00:00",
    )
