"""A small made-up result, and what tests of the speed benchmark share."""

from expunge.bench._results import Machine
from expunge.bench.speed.results import Curve, GrowthPoint, Model, Skipped, Speed, Timing

MACHINE = Machine(processor="Example CPU", cores=2, threads=1, memory_gb=7.5, device="cpu", versions={"torch": "2.13"})
MODEL = Model(name="m", summary="a model", parameters=1_500_000, blocks=4, classes=1000, pictured=4)


def whole(**fields: object) -> Timing:
    """A method that was run whole, in 2 seconds unless said otherwise."""
    usual = {
        "model": "m",
        "method": "closed-form",
        "images": 4,
        "seconds": 2.0,
        "fastest": 1.5,
        "slowest": 2.5,
        "runs": 3,
        "peak_mb": 12.0,
        "images_read": 16,
        "forward": 40.0,
        "backward": 0.0,
    }
    return Timing.model_validate(usual | fields)


def stepped(**fields: object) -> Timing:
    """A training of 1,000 steps of which five were timed: 10 s of setup, 0.5 s a step."""
    usual = {
        "method": "gs-lora",
        "seconds": 510.0,
        "fastest": 500.0,
        "slowest": 600.0,
        "setup_seconds": 10.0,
        "step_seconds": 0.5,
        "measured_steps": 5,
        "schedule_steps": 1000,
        "extrapolated": True,
        "schedule": "100 epochs",
        "forward": 30_000.0,
        "backward": 30_000.0,
    }
    return whole(**(usual | fields))


def result(**fields: object) -> Speed:
    """A whole result."""
    oracle = stepped(
        method="oracle",
        images=None,
        peak_mb=None,
        seconds=4e6,
        fastest=3.5e6,
        slowest=4.5e6,
        setup_seconds=0.0,
        schedule_steps=8_000_000,
    )
    usual = {
        "command": "expunge bench speed --out DIR",
        "commit": "0123456789abcdef",
        "machine": MACHINE,
        "reference": "closed-form",
        "models": (MODEL,),
        "timings": (
            whole(),
            stepped(),
            oracle,
            whole(images=16, seconds=8.0, fastest=8.0, slowest=8.0, runs=1),
        ),
        "skipped": (
            Skipped(model="m", method="gs-lora", images=16, reason="a step is too long"),
            Skipped(model="n", method="", images=None, reason="not installed"),
            Skipped(model="m", method="", images=1, reason="no such images"),
        ),
        "growth": (
            Curve(
                of="classes",
                fixed="all else",
                points=(
                    GrowthPoint(x=10, seconds=0.2, fastest=0.1, slowest=0.3, runs=3),
                    GrowthPoint(x=1000, seconds=0.5, fastest=0.5, slowest=0.5, runs=1),
                ),
            ),
        ),
    }
    return Speed.model_validate(usual | fields)
