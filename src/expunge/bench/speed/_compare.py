"""Times methods in turn on one model: the same work of each, again and again, so that a busy moment hits all alike."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from expunge.bench._clock import now
from expunge.bench.speed._limits import TimeLimits
from expunge.bench.speed._measured import TimedRun, middle
from expunge.bench.speed._oracle import Oracle, run_oracle
from expunge.bench.speed._request import run_steps, run_whole
from expunge.bench.speed._schedule import schedule_of
from expunge.bench.speed._setup import Filled, SpeedSetup, fill
from expunge.bench.speed._subjects import TimedModel
from expunge.bench.speed.results import Skipped, Timing
from expunge.errors import ExpungeError, TooFewImagesError
from expunge.methods import Method

ORACLE = "oracle"
FORWARD_AND_BACKWARD = 3.0
"""A step's image costs about as much as three forward passes (Kaplan et al., arXiv 2001.08361, section 2.1)."""

PASSES = 5.0
"""Forward passes of an image that a method without a schedule is thought to take, until one was measured."""

Found = Timing | Skipped
Report = Callable[[str], None]


@dataclass
class Contestant:
    """One method, or the oracle, with one number of images.

    Attributes:
        name: Its name.
        images: Images a class; None for the oracle.
        take: Measures it once.
        work: Images that one measurement looks at.
        guess: Seconds that one measurement is thought to take.
        runs: What was measured so far.
        spent: Seconds that these runs took.
        failed: Why it cannot be measured, or "".
    """

    name: str
    images: int | None
    take: Callable[[], TimedRun]
    work: int
    guess: float
    runs: list[TimedRun] = field(default_factory=list)
    spent: float = 0.0
    failed: str = ""


def compare(
    subject: TimedModel,
    methods: Sequence[tuple[str, Method | None]],
    counts: Sequence[int],
    limits: TimeLimits,
    until: float,
    report: Report = lambda note: None,
) -> Iterator[Found]:
    """Times all methods on one model.

    Args:
        subject: The model.
        methods: Names and methods in the order of the result; None for the oracle.
        counts: Numbers of images a class.
        limits: How long it may take.
        until: When to stop, in seconds of `now`. Where nothing has been measured by then, that is said.
        report: Told what is being measured.
    """
    device = subject.model.device
    forward = subject.forward_seconds(lambda: now(device))
    before: dict[str, Contestant] = {}
    for count in sorted(counts):
        try:
            scene = subject.scene(count)
        except TooFewImagesError as error:
            yield Skipped(model=subject.name, method="", images=count, reason=str(error))
            continue
        caches: dict[int, Filled] = {}
        here = []
        for name, method in methods:
            if method is not None:
                here.append(_contestant(scene, name, method, count, caches, limits, forward))
                if name in before:
                    here[-1].guess = guess_more(before[name], here[-1].work, forward)
            elif count == min(counts) and not isinstance(subject.oracle, str):
                here.append(_oracle(subject.oracle, device, limits, forward))
        _take_turns(here, device, limits, until, lambda note, n=count: report(f"{n} images a class: {note}"))
        before |= {one.name: one for one in here if one.runs}
        yield from (_found(subject.name, one, limits) for one in here)
    if isinstance(subject.oracle, str) and any(method is None for _, method in methods):
        yield Skipped(model=subject.name, method=ORACLE, images=None, reason=subject.oracle)


def _contestant(
    scene: SpeedSetup,
    name: str,
    method: Method,
    count: int,
    caches: dict[int, Filled],
    limits: TimeLimits,
    forward: float,
) -> Contestant:
    """A method; those that train share the cache of their first block, which one of them fills."""
    retain, forget = scene.counts
    schedule = schedule_of(method, retain, forget)
    if schedule is None:
        work = len(scene.images)
        return Contestant(name, count, lambda: run_whole(scene, method).run, work, PASSES * forward * work)

    def take() -> TimedRun:
        block = method.first_block(scene.model)
        if block not in caches:
            caches[block] = fill(scene, block)
        return run_steps(scene, method, schedule, caches[block], limits)

    work = sum(schedule.sizes[:2])
    return Contestant(name, count, take, work, FORWARD_AND_BACKWARD * forward * work)


def _oracle(oracle: Oracle, device: torch.device, limits: TimeLimits, forward: float) -> Contestant:
    work = 2 * oracle.batch
    guess = FORWARD_AND_BACKWARD * forward * work * oracle.share
    return Contestant(ORACLE, None, lambda: run_oracle(oracle, device, limits), work, guess)


def guess_more(less: Contestant, work: int, forward: float) -> float:
    """Seconds that a measurement of more images is thought to take, from one of fewer.

    More images cost a training more in proportion. A method that was run whole also does work that has nothing to do
    with images: it costs more by the forward and backward passes that it spends on each.
    """
    usual, run = less.spent / len(less.runs), less.runs[0]
    if run.schedule_steps:
        return usual * work / less.work
    passes = (run.forward + (FORWARD_AND_BACKWARD - 1) * run.backward) / less.work
    return usual + passes * forward * (work - less.work)


def _take_turns(
    contestants: Sequence[Contestant], device: torch.device, limits: TimeLimits, until: float, report: Report
) -> None:
    """Round after round, each is measured once, unless it has used up its time."""
    for _ in range(limits.runs):
        for one in contestants:
            if one.failed or not may_run(one, limits, until - now(device)):
                continue
            report(one.name)
            started = now(device)
            try:
                one.runs.append(one.take())
            except (MemoryError, torch.OutOfMemoryError):
                one.failed = "there is not enough memory"
            except ExpungeError as error:
                one.failed = str(error)
            one.spent += now(device) - started


def may_run(one: Contestant, limits: TimeLimits, left: float) -> bool:
    """Whether there is time for one more measurement, or for the first, with `left` seconds to go."""
    if not one.runs:
        return one.guess <= min(limits.measurement, left)
    usual = one.spent / len(one.runs)
    return one.spent + usual <= limits.measurement and usual <= left


def _found(model: str, one: Contestant, limits: TimeLimits) -> Found:
    if one.failed or not one.runs:
        late = "the time of the whole run is used up"
        long = f"the shortest measurement would take about {one.guess:,.0f} s, {limits.measurement:,.0f} s are allowed"
        reason = one.failed or (long if one.guess > limits.measurement else late)
        return Skipped(model=model, method=one.name, images=one.images, reason=reason)
    run = middle(one.runs)
    every = [each.seconds for each in one.runs]
    return Timing(
        model=model,
        method=one.name,
        images=one.images,
        seconds=run.seconds,
        fastest=min(every),
        slowest=max(every),
        setup_seconds=run.setup_seconds,
        step_seconds=run.step_seconds,
        measured_steps=run.measured_steps,
        schedule_steps=run.schedule_steps,
        extrapolated=run.measured_steps < run.schedule_steps,
        schedule=run.schedule,
        runs=len(one.runs),
        peak_mb=run.peak_mb,
        images_read=run.images_read,
        forward=run.forward,
        backward=run.backward,
    )
