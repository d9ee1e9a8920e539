from dataclasses import replace
from pathlib import Path

import pytest
import torch

from expunge.adapters import Edit
from expunge.bench._benches import make_bench
from expunge.bench._memory import peak_memory
from expunge.bench._models import ModelStore
from expunge.bench._results import Cell
from expunge.bench.run import CellName, run_suite
from expunge.bench.suite import Suite, find_suite, suite_names
from expunge.bench.suites import glyphs
from expunge.data import Images, limited
from expunge.errors import BenchError, CorruptRunError, MethodError, TaskError
from expunge.vision import VisionModel
from tests.bench.made_up import broken_package

OURS = ("faces", "faces-20x1", "fashion", "glyphs", "glyphs-50x1")


@pytest.fixture(scope="module")
def suite():
    return find_suite("fashion", quick=True)


@pytest.fixture(scope="module")
def splits(suite):
    return suite.load()


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """A folder with three finished cells."""
    out = tmp_path_factory.mktemp("bench")
    ran = run_suite(
        "fashion", out, settings=["4-shot"], methods=["original", "head-mask", "gs-lora"], seeds=[0], quick=True
    )
    assert ran == 3
    return out


def read(out: Path, method: str) -> Cell:
    return Cell.parse(CellName("fashion", "4-shot", method, 0).file(out).read_text())


def run(out: Path, *methods: str) -> int:
    return run_suite("fashion", out, settings=["4-shot"], methods=methods, seeds=[0], quick=True)


class TestSuites:
    def test_ours_are_installed(self) -> None:
        assert set(OURS) <= set(suite_names())

    def test_a_broken_one_is_named_with_what_brings_it(self, tmp_path, monkeypatch) -> None:
        monkeypatch.syspath_prepend(broken_package(tmp_path))
        with pytest.raises(
            BenchError, match=r"'stranger' \(strangers:suite\) is broken: ZeroDivisionError: .*uninstall"
        ):
            find_suite("stranger")

    def test_unknown_names_are_refused_with_what_there_is(self, suite) -> None:
        with pytest.raises(BenchError, match=r"unknown suite 'nope'; installed: .*fashion"):
            find_suite("nope")
        with pytest.raises(BenchError, match="no setting 'nope'; it has: replay-10, 4-shot, missing-class"):
            suite.setting("nope")

    @pytest.mark.parametrize("name", ["faces", "faces-20x1", "fashion", "glyphs", "glyphs-50x1"])
    def test_requests_name_classes_once_and_checkpoints_exist(self, name) -> None:
        whole = find_suite(name)
        named = [c for request in whole.requests for c in request]
        assert len(named) == len(set(named))
        assert max(whole.checkpoints) == len(whole.requests)

    def test_missing_classes_are_an_eighth_of_those_that_always_stay(self) -> None:
        whole = glyphs.suite(False)
        classes = whole.load().classes
        plan = whole.plan(whole.setting("missing-class"), classes, seed=0)
        assert len(plan.missing) == round(20 / 8)
        assert not {c for request in plan.requests for c in request} & set(plan.missing)
        assert plan.missing != whole.plan(whole.setting("missing-class"), classes, seed=1).missing
        assert whole.plan(whole.setting("replay-10"), classes, seed=0).missing == ()

    def test_limited_takes_what_there_is_of_scarce_classes(self, splits) -> None:
        train = splits.train.select([*range(3), *range(100, 160)])  # 3 of the first class
        assert limited(train, 5, seed=0).counts()[0] == 3
        assert max(limited(train, 5, seed=0).counts()) == 5
        assert limited(train, 0, seed=0) == train


class TestRun:
    def test_a_second_run_finds_everything_done(self, done) -> None:
        assert run(done, "original", "head-mask", "gs-lora") == 0

    def test_only_what_is_missing_is_run_again(self, done) -> None:
        CellName("fashion", "4-shot", "head-mask", 0).file(done).unlink()
        assert run(done, "original", "head-mask", "gs-lora") == 1

    def test_nothing_unfinished_stays(self, done) -> None:
        assert {path.suffix for path in (done / "cells").rglob("*") if path.is_file()} == {".json"}

    def test_a_damaged_cell_is_named(self, done) -> None:
        path = CellName("fashion", "4-shot", "gs-lora", 0).file(done)
        whole = path.read_text()
        path.write_text(whole[:200])
        try:
            with pytest.raises(CorruptRunError, match=r"seed-0\.json"):
                run(done, "gs-lora")
        finally:
            path.write_text(whole)

    def test_an_unknown_method_is_refused_before_anything_runs(self, tmp_path) -> None:
        with pytest.raises(MethodError, match="unknown method"):
            run(tmp_path, "head-mask", "nope")
        assert not list(tmp_path.iterdir())

    def test_a_task_that_is_not_installed_is_refused_before_anything_runs(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr(Suite, "task", "nope")
        with pytest.raises(TaskError, match="unknown task 'nope'; installed: classification"):
            run(tmp_path, "head-mask")
        assert not list(tmp_path.iterdir())

    def test_an_interrupted_cell_leaves_nothing(self, tmp_path) -> None:
        def stop(cell, progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_suite(
                "fashion", tmp_path, settings=["4-shot"], methods=["head-mask"], seeds=[0], report=stop, quick=True
            )
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
        assert run(tmp_path, "head-mask") == 1


class TestCells:
    def test_the_original_knows_and_the_mask_hides(self, done) -> None:
        original, masked = read(done, "original").requests, read(done, "head-mask").requests
        assert original[-1].readings["acc_f"].value > 50
        assert original[-1].readings["h"].value == 0
        assert masked[-1].readings["acc_f"].value == masked[-1].readings["acc_o"].value == 0
        for key in ("linear_probe", "linear_probe_retained"):
            assert masked[-1].readings[key] == original[-1].readings[key], "a mask leaves the features alone"

    def test_every_request_has_accuracy_and_checkpoints_have_all(self, done) -> None:
        first, last = read(done, "gs-lora").requests
        assert set(first.readings) == {"acc_f", "acc_r", "h", "rows_in_place_acc_f", "rows_in_place_h"}
        assert {"acc_o", "linear_probe", "int8_acc_f", "zrf"} <= set(last.readings)
        assert last.skipped["u-lira"]
        assert first.seconds > 0
        assert first.bytes > 0
        assert first.images == (4, 36)

    def test_a_cell_says_where_it_ran(self, done) -> None:
        cell = read(done, "gs-lora")
        assert cell.machine.versions["torch"] == torch.__version__
        assert cell.machine.cores >= 1


class TestModels:
    def test_an_oracle_is_trained_once_and_never_sees_the_class(self, suite, splits, tmp_path) -> None:
        store = ModelStore(tmp_path, suite, splits.train)
        made = store.oracle("oracle-scratch", [8], seed=0)
        again = store.oracle("oracle-scratch", [8], seed=0)
        assert again.model.digest() == made.model.digest()
        assert again.seconds == pytest.approx(made.seconds)
        assert len(list(tmp_path.iterdir())) == 1
        keys = {store.key("oracle-scratch", (8,), 0), store.key("oracle-scratch", (8,), 1), store.key("base", (8,), 0)}
        assert len(keys) == 3

    @pytest.mark.parametrize("kind", ["oracle-scratch", "oracle-finetune"])
    def test_no_image_of_a_forgotten_class_reaches_the_training(self, suite, splits, tmp_path, kind) -> None:
        seen = []

        def train(images: Images, seed: int, start: VisionModel | None) -> VisionModel:
            seen.append(images.counts())
            return suite.base()

        ModelStore(tmp_path, replace(suite, train=train), splits.train).oracle(kind, [8, 2], seed=0)
        (counts,) = seen
        assert [label for label, count in enumerate(counts) if not count] == [2, 8]

    def test_fine_tuning_goes_on_from_the_model(self, suite, splits, tmp_path) -> None:
        tuned = ModelStore(tmp_path, suite, splits.train).oracle("oracle-finetune", [8], seed=0).model
        base = suite.base()
        assert tuned.digest() != base.digest()
        near, far = tuned.linear("blocks.0.fc1").weight, base.linear("blocks.0.fc1").weight
        assert torch.nn.functional.cosine_similarity(near.flatten(), far.flatten(), dim=0) > 0.9

    def test_a_stand_keeps_its_three_kinds_of_seed_apart(self, suite, splits, tmp_path) -> None:
        benches = [make_bench(suite, "replay-10", seed, tmp_path, splits) for seed in (0, 1)]
        names = [{sample.name for sample in bench.test.samples} for bench in benches]
        assert names[0] != names[1]


class TestStand:
    def test_no_test_image_reaches_a_method_or_an_attacker(self, suite, splits, tmp_path) -> None:
        bench = make_bench(suite, "replay-10", 0, tmp_path, splits)
        tests = {sample.name for sample in splits.test.samples}
        for images in (bench.attack, bench.data.forget, bench.data.replay, bench.data.validation):
            assert len(images)
            assert not tests & {sample.name for sample in images.samples}

    def test_the_budget_goes_over_the_settings_of_methods_that_have_it(self, suite, splits, tmp_path) -> None:
        bench = make_bench(replace(suite, budget={"max_steps": 2}), "replay-10", 0, tmp_path, splits)
        method = bench.method("gs-lora", {"max_steps": 9, "rank": 3})
        assert getattr(method, "max_steps", None) == 2
        assert getattr(method, "rank", None) == 3
        assert not hasattr(bench.method("head-mask", {}), "max_steps")


class TestViews:
    def test_running_the_edited_blocks_alone_shows_what_the_whole_model_shows(self, suite, splits, tmp_path) -> None:
        bench = make_bench(suite, "4-shot", 0, tmp_path, splits)
        entry = len(bench.model.blocks) - 1
        name = bench.model.blocks[entry].linears[0] + ".weight"
        moved = torch.randn_like(bench.model.module.get_parameter(name), generator=torch.Generator().manual_seed(0))
        with bench.forgetting("gs-lora", {"last_blocks": 1}) as steps:
            steps.stack.push(Edit(dense={name: moved}))
            assert steps.entry == entry
            whole, above = bench.view(), bench.edited_view(entry, attack=True)
            brief = bench.edited_view(entry, attack=False)
        for seen, expected in ((above.attack, whole.attack), (above.test, whole.test), (brief.test, whole.test)):
            assert torch.equal(seen.logits, expected.logits)
            assert torch.equal(seen.embedding, expected.embedding)
            assert all(map(torch.equal, seen.layers, expected.layers))
            assert len(seen.layers) == len(bench.model.blocks)
        assert len(brief.attack) == 1
        assert torch.equal(brief.attack.labels, whole.attack.labels[:1])
        assert not torch.equal(whole.test.logits, bench.original.test.logits)


def test_peak_memory_sees_a_large_tensor() -> None:
    with peak_memory(torch.device("cpu")) as peak:
        big = torch.ones(50_000_000)  # 200 MB
        del big
    assert 150 < peak.mb < 400
