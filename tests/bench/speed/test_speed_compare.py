import re
import time

import pytest
import torch

from expunge.bench.speed import _growth as growing
from expunge.bench.speed._compare import Contestant, compare, guess_more, may_run
from expunge.bench.speed._growth import QUICK_GRID, block_variants, edited_blocks, growth, sequence_seconds
from expunge.bench.speed._limits import MINUTES, QUICK, TimeLimits, limits_for
from expunge.bench.speed._measured import TimedRun
from expunge.bench.speed._oracle import Oracle, imagenet_oracle, run_oracle, small_oracle
from expunge.bench.speed._subjects import TimedModel, make_subject, subject_names
from expunge.bench.speed._vit import TINY, random_images, random_vit
from expunge.bench.speed.results import Skipped, Timing
from expunge.data import few_shot
from expunge.errors import BenchError
from expunge.methods import make_method
from expunge.methods.closed_form import ClosedForm
from expunge.methods.damp import DAMP
from expunge.zoo._small_vit import Shape
from expunge.zoo.fashion.data import fashion
from expunge.zoo.recipe import Recipe

NEVER = float("inf")


@pytest.fixture
def subject(cpu) -> TimedModel:
    return make_subject("vit-tiny", cpu)


def of(found: list[Timing | Skipped], method: str, images: int | None) -> Timing | Skipped:
    return next(one for one in found if (one.method, one.images) == (method, images))


def paused(seconds: float, log: list[str], name: str):
    """DAMP after a pause, which notes that it ran."""

    class Paused(DAMP):
        def forget(self, context, task):
            log.append(name)
            time.sleep(seconds)
            return super().forget(context, task)

    return Paused()


class TestCompare:
    def test_ours_and_a_trained_rival(self, subject) -> None:
        methods = [
            ("closed-form", ClosedForm()),
            ("gs-lora", make_method("gs-lora", preset="published")),
            ("oracle", None),
        ]
        found = list(compare(subject, methods, [1, 2], QUICK, NEVER))
        ours, rival = of(found, "closed-form", 2), of(found, "gs-lora", 2)
        assert isinstance(ours, Timing)
        assert isinstance(rival, Timing)
        assert not ours.extrapolated
        assert rival.extrapolated
        assert (rival.measured_steps, rival.schedule_steps) == (1, 100)
        assert ours.images_read == rival.images_read == 8
        assert rival.backward == pytest.approx(800)
        assert of(found, "oracle", None) == Skipped(
            model="vit-tiny", method="oracle", images=None, reason=str(subject.oracle)
        )

    def test_methods_take_turns(self, subject) -> None:
        log: list[str] = []
        methods = [(name, paused(0.0, log, name)) for name in ("a", "b")]
        found = list(compare(subject, methods, [1], TimeLimits(runs=3), NEVER))
        assert log == ["a", "b"] * 3
        for one in found:
            assert isinstance(one, Timing)
            assert one.runs == 3
            assert one.fastest <= one.seconds <= one.slowest

    @pytest.mark.parametrize(
        ("guess", "spent", "left", "expected"),
        [
            (10.0, [], 99.0, True),
            (11.0, [], 99.0, False),
            (9.0, [], 8.0, False),
            (99.0, [5.0], 99.0, True),  # what was measured counts, not what was guessed
            (1.0, [6.0], 99.0, False),
            (1.0, [3.0, 3.0], 99.0, True),
            (1.0, [3.0, 5.0], 99.0, False),
            (1.0, [3.0], 2.0, False),
        ],
    )
    def test_what_takes_long_is_repeated_less(self, guess, spent, left, expected) -> None:
        runs = [TimedRun(1.0, 0.0, 0, 0.0, 0.0) for _ in spent]
        one = Contestant("slow", 1, lambda: runs[0], 10, guess, runs, sum(spent, 0.0))
        assert may_run(one, TimeLimits(measurement=10.0), left) is expected

    def test_guesses_from_fewer_images(self) -> None:
        def guess(run: TimedRun) -> float:
            return guess_more(Contestant("one", 1, lambda: run, 10, 0.0, [run], 20.0), 40, forward=0.5)

        # 20 s, of which the images made (30 + 2 x 10) / 10 passes each; 30 images more at 0.5 s a pass.
        assert guess(TimedRun(20.0, 0.0, 10, forward=30.0, backward=10.0)) == pytest.approx(20 + 5 * 0.5 * 30)
        assert guess(TimedRun(999.0, 0.0, 10, 30.0, 10.0, schedule_steps=100)) == pytest.approx(80)

    def test_what_would_take_too_long_is_left_out_with_what_is_known(self, subject) -> None:
        method = make_method("gs-lora", preset="published")
        few = list(compare(subject, [("gs-lora", method)], [1, 64], TimeLimits(runs=1, measurement=1e-6), NEVER))
        left_out = of(few, "gs-lora", 64)
        assert isinstance(left_out, Skipped)
        assert re.search(r"would take about \d+ s, 0 s are allowed", left_out.reason)

    def test_nothing_begins_when_time_is_up(self, subject) -> None:
        found = list(compare(subject, [("damp", DAMP())], [1], QUICK, until=0.0))
        assert found == [
            Skipped(model="vit-tiny", method="damp", images=1, reason="the time of the whole run is used up")
        ]

    def test_too_few_images_are_said(self, cpu) -> None:
        pool = random_images(TINY, 4, dict.fromkeys(range(4), 2))
        subject = TimedModel("t", "", random_vit(TINY, 4), lambda n: few_shot(pool, n, 0), 4, "none")
        found = list(compare(subject, [("damp", DAMP())], [1, 8], QUICK, NEVER))
        assert isinstance(of(found, "damp", 1), Timing)
        left_out = of(found, "", 8)
        assert isinstance(left_out, Skipped)
        assert "has 2 images" in left_out.reason

    def test_a_method_that_fails_is_said_and_the_others_go_on(self, subject) -> None:
        class Greedy(DAMP):
            def forget(self, context, task):
                raise MemoryError

        found = list(compare(subject, [("greedy", Greedy()), ("damp", DAMP())], [1], QUICK, NEVER))
        left_out = of(found, "greedy", 1)
        assert isinstance(left_out, Skipped)
        assert left_out.reason == "there is not enough memory"
        assert isinstance(of(found, "damp", 1), Timing)


def test_more_minutes_are_more_for_each() -> None:
    assert limits_for(MINUTES) == TimeLimits()
    assert limits_for(3 * MINUTES) == TimeLimits(measurement=180.0, total=2340.0)


class TestOracles:
    def test_a_step_is_one_of_the_recipes(self, cpu) -> None:
        images = fashion(source="sample").train.without([0])
        recipe = Recipe(Shape(dim=8, blocks=1), epochs=3, batch_size=16)
        run = run_oracle(small_oracle(recipe, images), cpu, TimeLimits(steps=2))
        assert run.schedule_steps == 3 * (len(images) // 16)
        assert run.measured_steps == 2
        assert run.step_seconds is not None
        assert run.seconds == pytest.approx(run.schedule_steps * run.step_seconds)
        assert run.forward == run.backward == run.schedule_steps * 16

    def test_the_median_step_counts(self, cpu) -> None:
        def train(count: int, tick) -> None:
            for seconds in (0.2, 0.0, 0.3, 0.01, 0.01)[:count]:
                time.sleep(seconds)
                tick()

        run = run_oracle(Oracle(train, 10, 5, 100, "made up"), cpu, TimeLimits(steps=4))
        assert run.step_seconds == pytest.approx(0.01, abs=0.01)

    def test_imagenets_schedule_leaves_the_model_alone(self, cpu) -> None:
        model = random_vit(TINY, 6)
        before = model.digest()
        run = run_oracle(imagenet_oracle(model, lambda n: torch.zeros(n, 3, 32, 32), 2), cpu, TimeLimits(steps=1))
        assert run.schedule_steps == 192_175_050  # 300 x 1,281,167 / 2
        assert run.peak_mb is None
        assert model.digest() == before
        assert not any(p.requires_grad or p.grad is not None for p in model.module.parameters())


class TestGrowth:
    def test_all_curves_of_ours_like_method(self, cpu) -> None:
        curves = {curve.of: curve for curve in growth("damp", QUICK_GRID, QUICK, NEVER, cpu)}
        assert [point.x for point in curves["classes"].points] == [3, 6]
        assert [point.x for point in curves["forget images"].points] == [1, 2]
        assert [point.x for point in curves["requests done"].points] == [0, 1]
        assert "edited blocks" in curves

    def test_rounds_end_with_the_time(self, cpu) -> None:
        curves = list(growth("head-mask", QUICK_GRID, TimeLimits(runs=3), 0.0, cpu))
        assert [curve.of for curve in curves] == ["classes", "forget images", "requests done"]
        assert {point.runs for curve in curves for point in curve.points} == {1}

    def test_blocks_are_those_that_change(self, cpu) -> None:
        model = random_vit(growing.VitShape(32, 4, 2, side=32), 4)
        scene = growing.SpeedSetup(model, random_images(TINY, 4, dict.fromkeys(range(4), 2)), 32)
        assert [edited_blocks(scene, variant) for variant in block_variants(ClosedForm())] == [1, 2, 3]

    def test_a_sequence_is_taken_back(self) -> None:
        model = random_vit(TINY, 5)
        before = model.digest()
        assert list(sequence_seconds(QUICK_GRID, DAMP(), model)) == [0, 1]
        assert model.digest() == before


class TestSubjects:
    def test_the_shipped_and_the_large_ones_by_default(self) -> None:
        assert subject_names() == ("zoo:fashion", "zoo:glyphs", "zoo:faces", "vit-b/16", "vit-l/16")

    def test_a_zoo_model_with_its_images_and_oracle(self, cpu) -> None:
        subject = make_subject("zoo:glyphs", cpu)
        scene = subject.scene(2)
        assert scene.counts == (198, 2)
        assert scene.width == 48
        assert isinstance(subject.oracle, Oracle)
        assert subject.oracle.steps == 20 * (9702 // 128)

    def test_a_zoo_oracle_is_not_compared_with_a_gpu(self, cpu) -> None:
        from expunge.bench.speed._subjects import _zoo_oracle

        images = random_images(TINY, 2, {1: 2})
        assert "CPU alone" in str(_zoo_oracle("glyphs", images, torch.device("cuda")))

    def test_unknown_names_are_refused(self, cpu) -> None:
        with pytest.raises(BenchError, match=r"no model 'nope' to time; there is: zoo:fashion, .*vit-tiny"):
            make_subject("nope", cpu)
