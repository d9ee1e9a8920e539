"""The suite on composed scenes: a benchmark like the others, on a detector."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from expunge.bench._bench import Bench, first_rows
from expunge.bench._benches import open_benches
from expunge.bench._models import ModelStore
from expunge.bench._page import make_page
from expunge.bench._results import ANCHORS, SCRATCH, Cell
from expunge.bench.aggregate import summaries
from expunge.bench.figures import figures_of
from expunge.bench.load import load_cells
from expunge.bench.run import CellName, cell_key, run_suite
from expunge.bench.scenes._quick import RECIPE, SIZES
from expunge.bench.scenes.detectors import FEATURES, SceneSuite
from expunge.bench.scenes.suite import suite as scenes
from expunge.bench.suite import find_suite
from expunge.bench.tables import main_table, sequence_table
from expunge.data import Pixels, Sample, Scenes, Splits
from expunge.errors import BenchError, MethodError
from expunge.vision.detection.scene_states import BorrowedStates, Objects, SceneCache, look
from expunge.zoo.scenes.cutouts import CLASSES
from expunge.zoo.scenes.data import scene_strangers
from expunge.zoo.scenes.recipe import train_scenes
from tests.bench.made_up import cell, rate, request, write

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "cells"
ROWS = ("original", "oracle-scratch", "head-mask", "retrain")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the cells of four rows."""
    folder = tmp_path_factory.mktemp("scenes")
    assert run_suite("scenes", folder, methods=ROWS, seeds=[0], quick=True) == len(ROWS)
    return folder


@pytest.fixture(scope="module")
def bench(out: Path) -> Bench:
    return open_benches(scenes(True), out / "models")("replay-10", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up cells of a suite on classifiers and of one on detectors."""
    folder = tmp_path_factory.mktemp("page")
    readings = {
        "acc_f": rate(1.0),
        "acc_r": rate(90.0, "high"),
        "h": rate(80.0, "high"),
        "linear_probe": rate(50.0),
    }
    earlier = {**readings, "acc_o": rate(2.0, n=30)}
    both = (request(1, readings), request(2, earlier))
    first = [cell(method, 0, both) for method in (*ANCHORS, "ssd")]
    names = ("original", "oracle-scratch", "head-mask", "gs-lora")
    second = [cell(name, 0, both, suite="scenes", setting="8-shot", task="detection") for name in names]
    return write(folder, [*first, *second])


def read(out: Path, method: str) -> Cell:
    return Cell.parse(CellName("scenes", "replay-10", method, 0).file(out).read_text())


class TestOtherSuites:
    @pytest.mark.parametrize("name", ["fashion/replay-10/gs-lora", "glyphs/replay-10/head-mask", "faces/4-shot/der++"])
    def test_kept_cells_keep_their_key_and_their_bytes(self, name: str) -> None:
        """What is committed took days: another key would have all of it run again."""
        text = (RESULTS / name / "seed-0.json").read_text()
        kept = Cell.parse(text)
        suite = find_suite(kept.suite)
        where = CellName(kept.suite, kept.setting, kept.method, kept.seed)
        assert cell_key(where, suite, suite.tuned(kept.method)) == kept.key
        assert kept.to_json() == text
        assert kept.task == "classification"


class TestSuite:
    def test_ten_people_go_two_at_a_time(self) -> None:
        whole = scenes(False)
        assert whole.requests == (("s01", "s02"), ("s03", "s04"), ("s05", "s06"), ("s07", "s08"), ("s09", "s10"))
        assert [setting.name for setting in whole.settings] == ["replay-10", "8-shot", "missing-class"]
        assert whole.checkpoints == (1, 5)

    def test_two_of_fourteen_people_are_missing_and_in_no_scene_that_methods_see(self, tmp_path: Path) -> None:
        bench = open_benches(scenes(True), tmp_path)("missing-class", 3)
        assert len(bench.plan.missing) == round((24 - 4) / 8)
        counts = [bench.data.replay.counts(), bench.data.forget.counts(), bench.data.validation.counts()]
        assert all(count[label] == 0 for count in counts for label in bench.plan.missing)
        whole = scenes(False)
        assert len(whole.plan(whole.setting("missing-class"), CLASSES, seed=0).missing) == round(14 / 8)

    def test_rows_are_what_applies_to_detectors(self) -> None:
        suite = scenes(False)
        assert suite.rows()[:3] == ("original", "oracle-scratch", "head-mask")
        assert {"gs-lora++", "closed-form"} <= {*suite.rows()}
        assert not {"oracle-finetune", "ssd"} & {*suite.rows()}

    def test_other_rows_are_refused_before_anything_runs(self, tmp_path: Path) -> None:
        with pytest.raises(MethodError, match="for image classifiers and embedders; for object detectors"):
            run_suite("scenes", tmp_path, methods=["head-mask", "ssd"], quick=True)
        with pytest.raises(BenchError, match="has no oracle-finetune; its rows: original, oracle-scratch"):
            run_suite("scenes", tmp_path, methods=["oracle-finetune"], quick=True)
        assert not list(tmp_path.iterdir())


class TestRun:
    def test_a_second_run_finds_everything_done(self, out: Path) -> None:
        assert run_suite("scenes", out, methods=ROWS, seeds=[0], quick=True) == 0

    def test_every_request_has_precision_and_checkpoints_have_all(self, out: Path) -> None:
        first, last = read(out, "retrain").requests
        assert {"acc_f", "acc_r", "h", "ap_f"} <= set(first.readings)
        assert "linear_probe" not in first.readings
        assert {"acc_o", "linear_probe", "prototype_relearning_1", "relabelled", "silent"} <= set(last.readings)
        assert first.classes == ("s01", "s02")
        assert first.seconds > 0
        assert first.bytes > 0

    def test_methods_are_given_the_scenes_of_their_setting(self, out: Path, bench: Bench) -> None:
        train = bench.splits.train
        holding = sum(scene.holds([0, 1]) for scene in train.scenes)
        assert read(out, "retrain").requests[0].images[0] == holding, "all scenes with whom is to be forgotten"
        assert read(out, "oracle-scratch").requests[0].images == (0, RECIPE.scenes)

    def test_a_mask_leaves_the_features_alone_and_says_no_struck_name(self, out: Path) -> None:
        original, masked = read(out, "original").requests[-1].readings, read(out, "head-mask").requests[-1].readings
        assert masked["acc_f"].value == masked["acc_o"].value == 0
        for key in ("linear_probe", "linear_probe_retained", "prototype_relearning_1"):
            assert masked[key] == original[key]

    def test_oracles_have_figures_at_checkpoints_alone(self, out: Path) -> None:
        (only,) = read(out, "oracle-scratch").requests
        assert only.number == 2
        assert only.seconds > 0
        assert len(list((out / "models").glob("*.safetensors"))) == 1
        assert (out / "models" / FEATURES).is_dir()

    def test_cells_say_that_they_are_of_a_detector(self, out: Path) -> None:
        assert read(out, "retrain").task == "detection"

    def test_tables_speak_of_precision_and_miss_no_row_that_cannot_be(self, out: Path) -> None:
        (summary,) = summaries(load_cells(out))
        heading, *_ = main_table(summary).splitlines()
        assert "| H | AP50_f | AP50_r | AP50_o |" in heading
        assert "| relabelled | silent | linear probe | 1-object re-learning |" in heading
        assert "| RTE |" in heading
        assert "Acc_f" not in heading
        assert summary.methods == ("original", "head-mask", "oracle-scratch", "retrain")
        assert summary.final["retrain", "rte"].mean > 0
        assert "| retrain | " in sequence_table(summary)


class TestStand:
    def test_edits_are_taken_back_however_a_cell_ends(self, bench: Bench) -> None:
        before, seen = bench.model.digest(), []

        def cut_off() -> None:
            with bench.forgetting("retrain", {}) as steps:
                steps.carry_out(0)
                seen.append(bench.model.digest())
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            cut_off()
        assert seen != [before]
        assert bench.model.digest() == before

    def test_the_budget_goes_to_methods_that_have_it(self, bench: Bench) -> None:
        assert getattr(bench.method("retrain", {"lr": 0.5}), "max_steps", None) == 2
        assert getattr(bench.method("retrain", {"lr": 0.5}), "lr", None) == 0.5
        assert not hasattr(bench.method("head-mask", {}), "max_steps")

    def test_evidence_learns_from_few_objects_and_from_no_test_scene(self, bench: Bench) -> None:
        names = {scene.sample.name for scene in bench.attack.scenes}
        assert not names & {scene.sample.name for scene in bench.splits.test.scenes}
        counts = Counter(bench.original.attack.labels.tolist())
        assert max(counts.values()) == bench.suite.attack
        assert len(bench.original.test) == SIZES[2]

    def test_no_test_scene_reaches_a_method(self, bench: Bench) -> None:
        tests = {scene.sample.name for scene in bench.splits.test.scenes}
        for seen in (bench.data.forget, bench.data.replay, bench.data.validation):
            assert len(seen)
            assert not tests & {scene.sample.name for scene in seen.scenes}

    @pytest.mark.slow
    def test_strangers_stand_beside_objects_as_they_do_beside_images(self, tmp_path: Path) -> None:
        suite = replace(scenes(True), strangers=lambda: scene_strangers((24, 8, 24)))
        bench = open_benches(suite, tmp_path)("replay-10", 0)
        bench.strange  # noqa: B018 - before the first edit
        object.__setattr__(bench, "suite", replace(suite, checkpoints=(1,)))
        bench._oracles[1] = bench.original, "its own oracle: none is tried here"
        beside = bench.case(1, bench.original).beside
        assert beside is not None
        assert len(beside.forgotten) == 2
        assert beside.strangers > 0

    def test_pictures_are_run_once_for_all_settings_and_seeds(self, tmp_path: Path) -> None:
        loads: Counter[str] = Counter()
        suite = scenes(True)
        loaded = suite.load()
        train, validation, test = (counted(part, loads) for part in (loaded.train, loaded.validation, loaded.test))
        splits = Splits(train, validation, test)
        bench_of = open_benches(replace(suite, load=lambda: splits), tmp_path)
        for setting, seed in (("replay-10", 0), ("8-shot", 1)):
            if setting == "replay-10":
                bench_of(setting, seed).data  # noqa: B018
            bench_of(setting, seed).original  # noqa: B018
        assert set(loads.values()) == {1}
        assert len(loads) >= SIZES[0] // 2 + SIZES[2]

    def test_objects_are_limited_class_by_class(self) -> None:
        labels = torch.tensor([1, 0, 1, 1, 2])
        rows = torch.arange(5.0)[:, None]
        some = first_rows(Objects(rows, rows, labels, torch.arange(5)), 2)
        assert some.labels.tolist() == [1, 0, 1, 2]
        assert some.features.flatten().tolist() == some.scenes.tolist() == [0, 1, 2, 4]
        assert len(first_rows(Objects(rows, rows, labels, torch.arange(5)), 0)) == 5


class TestOracles:
    def test_what_is_kept_is_what_the_recipe_trains(self, out: Path, bench: Bench) -> None:
        made = ModelStore(out / "models", scenes(True), bench.splits.train).oracle(SCRATCH, [3, 2, 1, 0], 0)
        features = out / "models" / FEATURES
        trained = train_scenes(RECIPE, cache=features, classes_without=CLASSES[:4]).state_dict()
        kept = made.model.module.get_submodule("detector").state_dict()
        assert all(torch.equal(kept[name], value) for name, value in trained.items())
        assert kept.keys() == trained.keys()
        (cell_,) = read(out, "oracle-scratch").requests
        assert made.seconds == cell_.seconds

    def test_seeds_and_classes_have_keys_of_their_own(self, tmp_path: Path) -> None:
        train = scenes(True).load().train
        store = ModelStore(tmp_path, scenes(False), train)
        keys = [
            store.key(SCRATCH, forgotten, seed) for forgotten, seed in (((0,), 0), ((1,), 0), ((0,), 1), ((0, 1), 0))
        ]
        assert len({*keys, ModelStore(tmp_path, scenes(True), train).key(SCRATCH, (0,), 0)}) == 5

    def test_borrowed_states_are_as_good_as_its_own_even_while_the_lender_is_edited(
        self, out: Path, bench: Bench
    ) -> None:
        oracle = ModelStore(out / "models", scenes(True), bench.splits.train).oracle(SCRATCH, range(4), 0).model
        few = bench.splits.test.select(range(4))
        own = look(SceneCache(oracle), few)
        with bench.forgetting("retrain", {}) as steps:
            steps.carry_out(0)
            borrowed = look(BorrowedStates(oracle, bench.cache), few)
        torch.testing.assert_close(borrowed.logits, own.logits, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(borrowed.logits, look(bench.cache, few).logits, atol=1e-2)


class TestPage:
    def test_each_table_has_the_rows_and_headings_of_its_task(self, folder: Path) -> None:
        faces, detectors = summaries(load_cells(folder))
        assert faces.methods == (*ANCHORS, "ssd")
        assert detectors.methods == ("original", "head-mask", "oracle-scratch", "gs-lora")
        assert not detectors.absent
        assert "Acc_f" in main_table(faces)
        assert "AP50_f" in main_table(detectors)
        assert "AP50_f" not in main_table(faces)

    def test_the_page_explains_both(self, folder: Path) -> None:
        text = make_page(folder, folder).text
        assert "- **Acc_f**: accuracy on the classes of the last request" in text
        assert "- **AP50_f**: COCO's average precision" in text
        assert text.index("In tables of object detectors AP50") < text.index("- **AP50_f**")
        assert "*H, AP50_r and AP50_o over the requests" in text
        assert text.count("- **seconds**") == 1, "what is the same for both is said once"

    def test_figures_name_precision(self, folder: Path) -> None:
        _, detectors = summaries(load_cells(folder))
        figures = figures_of(detectors)
        assert set(figures) == {f"scenes-8-shot-{kind}.svg" for kind in ("gaps", "requests", "seconds")}
        assert "AP50_r" in figures["scenes-8-shot-requests.svg"]()

    def test_relapse_weighs_classes_alike_as_precision_does(self, tmp_path: Path) -> None:
        """By hand: (2 classes at 10 + 1 class at 40) / 3 = 20 after their requests, 26 now."""

        def one(number: int, classes: tuple[str, ...], acc_f: float, n: int, **others: float):
            readings = {"acc_f": rate(acc_f, n=n), **{key: rate(value) for key, value in others.items()}}
            return request(number, readings, classes=classes)

        steps = (one(1, ("a", "b"), 10.0, 7), one(2, ("c",), 40.0, 90), one(3, ("d",), 0.0, 5, acc_o=26.0))
        write(tmp_path, [cell("gs-lora", 0, steps, suite="scenes", task="detection")])
        (summary,) = summaries(load_cells(tmp_path))
        assert summary.final["gs-lora", "relapse"].mean == pytest.approx(6.0)


@dataclass(frozen=True, eq=False)
class Counted:
    """A picture that counts how often it is read."""

    inside: Sample
    loads: Counter[str]

    @property
    def name(self) -> str:
        return self.inside.name

    def load(self) -> Pixels:
        self.loads[self.name] += 1
        return self.inside.load()


def counted(scenes: Scenes, loads: Counter[str]) -> Scenes:
    return replace(scenes, scenes=tuple(replace(one, sample=Counted(one.sample, loads)) for one in scenes.scenes))


def test_a_suite_is_what_the_entry_point_gives() -> None:
    assert isinstance(find_suite("scenes"), SceneSuite)
