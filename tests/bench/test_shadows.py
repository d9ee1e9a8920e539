"""Stands with shadow models: what they train, what they forget, and what U-LiRA is given."""

from dataclasses import replace

import pytest
import torch

from expunge.bench._bench import Bench
from expunge.bench._benches import make_bench
from expunge.bench._results import FINETUNE, SCRATCH
from expunge.bench._shadowed_bench import SHADOW_SEEDS, ShadowedBench
from expunge.bench.run import CellName, cell_key
from expunge.bench.suite import Suite, find_suite
from expunge.bench.suites import glyphs
from expunge.data import Images
from expunge.errors import BenchError
from expunge.tasks.classification.views import observe
from expunge.vision import ActivationCache, VisionModel

KEYS = {"u_lira_auc", "u_lira_innocent_auc"}


@pytest.fixture(scope="module")
def suite() -> Suite:
    """The tiny Fashion-MNIST, with four shadows that no training has made: weights are moved by the seed's noise."""
    quick = find_suite("fashion", quick=True)
    assert isinstance(quick, Suite)

    def train(images: Images, seed: int, start: VisionModel | None) -> VisionModel:
        model = quick.base()
        if start:
            model.module.load_state_dict(start.module.state_dict())
        generator = torch.Generator().manual_seed(seed + len(images))
        with torch.no_grad():
            for parameter in model.module.parameters():
                parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
        return model

    return replace(quick, requests=quick.requests[:1], checkpoints=(1,), train=train, shadows=4)


@pytest.fixture
def bench(suite, tmp_path) -> ShadowedBench:
    made = make_bench(suite, "4-shot", 0, tmp_path / "models", suite.load())
    assert isinstance(made, ShadowedBench)
    return made


def logits(model: VisionModel, bench: Bench) -> torch.Tensor:
    return observe(ActivationCache(model), bench.attack).logits


class TestShadows:
    def test_a_suite_without_them_has_a_plain_stand(self, suite, tmp_path) -> None:
        assert type(make_bench(replace(suite, shadows=0), "4-shot", 0, tmp_path, suite.load())) is Bench

    def test_they_forget_by_the_same_method_and_are_put_back(self, bench) -> None:
        before = [shadow.model.digest() for shadow in bench.shadows]
        assert len(set(before)) == 4
        gone = list(bench.requests[0])
        with bench.forgetting("head-mask", {}) as steps:
            steps.carry_out(0)
            shadows = bench.case(1, bench.view()).shadows
        assert len(shadows.forgotten) == len(shadows.never) == 4
        for seen, shadow in zip(shadows.forgotten, bench.shadows, strict=True):
            kept = [c for c in range(len(bench.classes)) if c not in gone]
            assert (seen.logits[:, gone] < -1000).all()
            assert torch.equal(seen.logits[:, kept], logits(shadow.model, bench)[:, kept])
        assert [shadow.model.digest() for shadow in bench.shadows] == before

    def test_the_original_is_set_beside_shadows_that_forgot_nothing(self, bench) -> None:
        shadows = bench.case(1, bench.original).shadows
        for seen, shadow in zip(shadows.forgotten, bench.shadows, strict=True):
            assert torch.equal(seen.logits, logits(shadow.model, bench))
        for seen, k in zip(shadows.never, range(4), strict=True):
            oracle = bench.store.oracle(SCRATCH, bench.requests[0], SHADOW_SEEDS + k).model
            assert torch.equal(seen.logits, logits(oracle, bench))

    @pytest.mark.slow
    def test_those_of_a_fine_tuned_oracle_are_fine_tuned(self, bench) -> None:
        seen = []
        take = bench._taken

        def taken(number, view, model=None):
            seen.append(bench.case(number, view, model).shadows.forgotten)
            return take(number, view, model)

        object.__setattr__(bench, "_taken", taken)
        bench.of_oracle(FINETUNE, 1)
        expected = [bench.store.oracle(FINETUNE, bench.requests[0], shadow.seed).model for shadow in bench.shadows]
        assert all(torch.equal(a.logits, logits(b, bench)) for a, b in zip(seen[0], expected, strict=True))

    def test_what_a_method_left_is_shown_to_no_other_row(self, bench) -> None:
        with bench.forgetting("head-mask", {}) as steps:
            steps.carry_out(0)
        forgotten = bench.case(1, bench.original).shadows.forgotten
        assert torch.equal(forgotten[0].logits, logits(bench.shadows[0].model, bench))

    def test_validation_images_are_no_members(self, bench) -> None:
        members = bench.case(1, bench.original).shadows.members
        names = {sample.name for sample in bench.splits.train.samples}
        assert members.tolist() == [sample.name in names for sample in bench.attack.samples]
        assert 0 < members.sum() < len(members)

    def test_only_the_base_under_test_is_kept_beside_the_results(self, suite, tmp_path) -> None:
        bench = make_bench(suite, "4-shot", 1, tmp_path / "models", suite.load())
        assert isinstance(bench, ShadowedBench)
        digest = bench.model.digest()
        assert [shadow.model.digest() == digest for shadow in bench.shadows] == [False] * 4
        assert len(list((tmp_path / "bases").glob("*.safetensors"))) == 1
        assert len(list((tmp_path / "models").glob("*.safetensors"))) == 4

    @pytest.mark.slow
    def test_rows_come_out(self, bench) -> None:
        with bench.forgetting("gs-lora", {}) as steps:
            steps.carry_out(0)
            readings, _ = bench.of_edited(1, steps.entry)
        assert {reading.key for reading in readings} >= KEYS
        assert {reading.key for reading in bench.of_original(1)[0]} >= KEYS
        assert {reading.key for reading in bench.of_oracle(SCRATCH, 1).taken[0]} >= KEYS


class TestSuite:
    def test_shadows_need_bases_of_their_own(self, suite) -> None:
        with pytest.raises(BenchError, match="not one_base"):
            replace(suite, one_base=True)

    def test_their_number_is_part_of_a_cell_s_key(self, suite) -> None:
        name = CellName("fashion", "4-shot", "gs-lora", 0)
        keys = {cell_key(name, replace(suite, shadows=n), {}) for n in (0, 4, 8)}
        assert len(keys) == 3

    def test_ours_has_the_first_request_of_glyphs(self) -> None:
        ours, whole = glyphs.shadowed_suite(False), glyphs.suite(False)
        assert ours.requests == whole.requests[:1]
        assert ours.shadows == glyphs.SHADOWS
        assert ours.recipe == whole.recipe, "they share trained models"
