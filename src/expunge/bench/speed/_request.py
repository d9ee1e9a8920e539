"""One request, run whole or for a few steps of its schedule."""

from contextlib import suppress
from dataclasses import dataclass

from expunge.adapters import Edit, EditStack
from expunge.bench._clock import now, release
from expunge.bench._memory import peak_memory
from expunge.bench.speed._limits import TimeLimits
from expunge.bench.speed._measured import TimedRun
from expunge.bench.speed._passes import Reads, counted
from expunge.bench.speed._schedule import Enough, Schedule, StepTimer
from expunge.bench.speed._setup import Filled, SpeedSetup
from expunge.methods import Method
from expunge.vision import ActivationCache


@dataclass(frozen=True, eq=False)
class Whole:
    """A request that was run from its images to the edited model."""

    run: TimedRun
    edit: Edit


def carry_out(scene: SpeedSetup, method: Method, stack: EditStack) -> Whole:
    """Reads the images, makes the edit and puts it on the stack, which is that of the scene's model."""
    model, reads = scene.model, Reads()
    task = scene.task(reads.watch(scene.images))
    release(model.device)
    with peak_memory(model.device) as peak, counted(model) as passes:
        started = now(model.device)
        cache = ActivationCache(model, method.first_block(model))
        edit = method.forget(scene.context(method, cache), task)
        stack.push(edit)
        seconds = now(model.device) - started
    return Whole(TimedRun(seconds, peak.mb, len(reads.names), passes.forward, passes.backward), edit)


def run_whole(scene: SpeedSetup, method: Method) -> Whole:
    """Carries out a request on the pristine model and takes the edit back."""
    stack = EditStack(scene.model)
    done = carry_out(scene, method, stack)
    stack.undo()
    return done


def run_steps(scene: SpeedSetup, method: Method, schedule: Schedule, filled: Filled, limits: TimeLimits) -> TimedRun:
    """Times a few steps of a training after a warm-up step, and adds up what its whole schedule would take.

    Args:
        scene: Model and images.
        method: The training. It is ended after its steps, and the model is left as it was.
        schedule: What `schedule_of` gave for it.
        filled: What `fill` gave for its first block.
        limits: How many steps.
    """
    model = scene.model
    release(model.device)
    with peak_memory(model.device) as peak, counted(model) as passes:
        steps = StepTimer(model.device, limits, passes)
        started = now(model.device)
        with suppress(Enough):
            method.forget(scene.context(method, filled.cache, steps), scene.task(scene.images))
    rate, total = schedule.seconds_an_image(steps), len(schedule.sizes)
    setup = filled.seconds + max(0.0, steps.ends[0] - started - rate * schedule.sizes[0])
    step_seconds = rate * sum(schedule.sizes) / total
    return TimedRun(
        seconds=setup + total * step_seconds,
        peak_mb=peak.mb,
        images_read=len(scene.images),
        forward=schedule.passes(steps.forward),
        backward=schedule.passes(steps.backward),
        setup_seconds=setup,
        step_seconds=step_seconds,
        measured_steps=steps.measured,
        schedule_steps=total,
        schedule=schedule.words,
    )
