from itertools import islice

import pytest
import torch

from expunge.adapters import EditStack
from expunge.bench._clock import release
from expunge.bench.speed._limits import TimeLimits
from expunge.bench.speed._measured import TimedRun, middle
from expunge.bench.speed._passes import Reads, counted
from expunge.bench.speed._request import carry_out, run_steps, run_whole
from expunge.bench.speed._schedule import Enough, Schedule, StepTimer, schedule_of, step_images
from expunge.bench.speed._setup import fill
from expunge.bench.speed._vit import TINY, RandomSample, random_images, random_vit
from expunge.methods import make_method
from expunge.methods.damp import DAMP
from expunge.methods.training import paired_batches
from expunge.vision import ActivationCache

LIMITS = TimeLimits(runs=1, steps=2, measurement=60.0, total=60.0)


class TestPasses:
    def test_a_whole_pass_of_each_image_and_back(self, model) -> None:
        pixels = torch.zeros(5, 3, 32, 32)
        with counted(model) as passes:
            with torch.no_grad():
                model(pixels)
            assert (passes.forward, passes.backward) == (5.0, 0.0)
            model.module.requires_grad_(True)
            model(pixels).logits.sum().backward()
        assert (passes.forward, passes.backward) == (10.0, 5.0)

    def test_blocks_that_are_skipped_count_nothing(self, model) -> None:
        pixels = torch.zeros(4, 3, 32, 32)
        hidden = model.enter(pixels, 1)
        model.resume(hidden, 1)  # the first call for a block tries it out
        with counted(model) as passes:
            model.enter(pixels, 1)
            assert passes.forward == 2.0  # the first of two blocks
            model.resume(hidden, 1)
        assert passes.forward == 4.0

    def test_nothing_is_counted_afterwards(self, model) -> None:
        with counted(model) as passes:
            pass
        model(torch.zeros(1, 3, 32, 32))
        assert passes.forward == 0.0

    def test_reads_count_images_once(self, scene) -> None:
        reads = Reads()
        watched = reads.watch(scene.images)
        watched.load([0, 3, 3])
        assert reads.names == {"random/0", "random/3"}
        assert watched.labels == scene.images.labels


class TestSchedule:
    @pytest.mark.parametrize(("retain", "forget", "size"), [(7, 3, 4), (8, 1, 4), (3, 9, 4), (100, 5, 48)])
    def test_step_images_are_those_of_the_batches(self, retain, forget, size) -> None:
        drawn = [len(a) + len(b) for a, b in islice(paired_batches(retain, forget, size, 0), 30)]
        assert [step_images(step, retain, forget, size) for step in range(30)] == drawn

    def test_the_published_schedule_is_what_the_method_itself_reports(self, scene) -> None:
        method = make_method("gs-lora", preset="published")
        schedule = schedule_of(method, *scene.counts)
        assert schedule is not None
        assert len(schedule.sizes) == 100
        assert set(schedule.sizes) == {10}

    def test_max_steps_end_it_before(self) -> None:
        method = make_method("gs-lora", settings={"epochs": 10, "max_steps": 5, "batch_size": 4})
        schedule = schedule_of(method, 8, 4)
        assert schedule is not None
        assert schedule.sizes == (8, 8, 8, 8, 8)

    def test_none_where_there_is_nothing_to_time(self) -> None:
        assert schedule_of(DAMP(), 8, 4) is None
        assert schedule_of(make_method("gs-lora", settings={"max_steps": 1}), 8, 4) is None

    def test_steps_end_when_there_are_enough(self, cpu) -> None:
        steps = StepTimer(cpu, LIMITS)
        steps.tick()
        steps.tick()
        with pytest.raises(Enough):
            steps.tick()
        assert steps.measured == 2

    def test_long_steps_end_after_one(self, cpu) -> None:
        steps = StepTimer(cpu, TimeLimits(steps=5, measurement=0.0))
        steps.tick()
        with pytest.raises(Enough):
            steps.tick()

    def test_what_the_whole_would_cost(self, cpu) -> None:
        steps = StepTimer(cpu, LIMITS)
        steps.ends = [100.0, 102.0, 103.0]  # 2 s for 10 images, 1 s for 2
        schedule = Schedule((10, 10, 2), "")
        assert schedule.seconds_an_image(steps) == pytest.approx((0.2 + 0.5) / 2)
        # 30 passes at the warm-up's end, of which 20 were its own; then 2 an image.
        assert schedule.passes([30.0, 50.0, 54.0]) == pytest.approx(10 + 2 * 22)


class TestRequests:
    def test_a_whole_request_leaves_the_model_alone(self, scene) -> None:
        before = scene.model.digest()
        done = run_whole(scene, DAMP())
        assert scene.model.digest() == before
        assert done.edit.touched
        assert done.run.seconds > 0
        assert done.run.images_read == 10
        assert done.run.backward == 0.0

    def test_passes_of_a_method_can_be_counted_by_hand(self, scene) -> None:
        """DAMP looks at both kinds of images once a block, after one image of each to warm up."""
        ActivationCache(scene.model).output(scene.images, [0])
        assert run_whole(scene, DAMP()).run.forward == pytest.approx(2 * (10 + 2))

    def test_requests_stay_on_a_stack(self, scene) -> None:
        stack = EditStack(scene.model)
        carry_out(scene, DAMP(), stack)
        assert len(stack.edits) == 1

    @pytest.mark.parametrize("name", ["gs-lora", "gs-lora++", "fg-oriu"])
    def test_steps_of_the_published_rivals(self, scene, name) -> None:
        method = make_method(name, preset="published")
        schedule = schedule_of(method, *scene.counts)
        assert schedule is not None
        before, layers = scene.model.digest(), [type(module) for module in scene.model.module.modules()]
        run = run_steps(scene, method, schedule, fill(scene, 0), LIMITS)
        assert (run.measured_steps, run.schedule_steps) == (2, 100)
        assert run.step_seconds is not None
        assert run.seconds == pytest.approx(run.setup_seconds + 100 * run.step_seconds)
        assert run.backward == pytest.approx(100 * 10)  # every image, every epoch
        assert run.forward >= run.backward
        assert run.images_read == 10
        assert scene.model.digest() == before
        assert [type(module) for module in scene.model.module.modules()] == layers

    def test_the_middle_run_stands_for_all(self) -> None:
        runs = [TimedRun(seconds, 0.0, 0, 0.0, 0.0) for seconds in (3.0, 1.0, 2.0, 9.0)]
        assert middle(runs).seconds == 2.0
        assert middle(runs[:3]).seconds == 2.0


class TestRandomThings:
    def test_the_same_every_time(self) -> None:
        assert random_vit(TINY, 6).digest() == random_vit(TINY, 6).digest()
        assert torch.equal(RandomSample(3, 32).load(), RandomSample(3, 32).load())
        assert not torch.equal(RandomSample(3, 32).load(), RandomSample(4, 32).load())

    def test_torchs_own_generator_is_left_alone(self) -> None:
        state = torch.get_rng_state()
        random_vit(TINY, 2)
        assert torch.equal(torch.get_rng_state(), state)

    def test_images_of_some_classes(self) -> None:
        images = random_images(TINY, 6, {0: 2, 5: 1})
        assert images.counts() == (2, 0, 0, 0, 0, 1)
        assert len({sample.name for sample in images.samples}) == 3


def test_release_works_anywhere(cpu) -> None:
    release(cpu)
