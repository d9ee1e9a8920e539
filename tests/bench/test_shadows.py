"""Stands with shadow models: what they train, what they forget, and what U-LiRA is given."""

from dataclasses import replace

import pytest
import torch

from expunge.bench.results import FINETUNE, SCRATCH
from expunge.bench.run import CellName, cell_key
from expunge.bench.shadows import SHADOW_SEEDS, ShadowedBench
from expunge.bench.stand import Bench
from expunge.bench.stands import make_bench
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
def stand(suite, tmp_path) -> ShadowedBench:
    made = make_bench(suite, "4-shot", 0, tmp_path / "models", suite.load())
    assert isinstance(made, ShadowedBench)
    return made


def logits(model: VisionModel, stand: Bench) -> torch.Tensor:
    return observe(ActivationCache(model), stand.attack).logits


class TestShadows:
    def test_a_suite_without_them_has_a_plain_stand(self, suite, tmp_path) -> None:
        assert type(make_bench(replace(suite, shadows=0), "4-shot", 0, tmp_path, suite.load())) is Bench

    def test_they_forget_by_the_same_method_and_are_put_back(self, stand) -> None:
        before = [shadow.model.digest() for shadow in stand.shadows]
        assert len(set(before)) == 4
        gone = list(stand.requests[0])
        with stand.forgetting("head-mask", {}) as steps:
            steps.carry_out(0)
            shadows = stand.case(1, stand.view()).shadows
        assert len(shadows.forgotten) == len(shadows.never) == 4
        for seen, shadow in zip(shadows.forgotten, stand.shadows, strict=True):
            kept = [c for c in range(len(stand.classes)) if c not in gone]
            assert (seen.logits[:, gone] < -1000).all()
            assert torch.equal(seen.logits[:, kept], logits(shadow.model, stand)[:, kept])
        assert [shadow.model.digest() for shadow in stand.shadows] == before

    def test_the_original_is_set_beside_shadows_that_forgot_nothing(self, stand) -> None:
        shadows = stand.case(1, stand.original).shadows
        for seen, shadow in zip(shadows.forgotten, stand.shadows, strict=True):
            assert torch.equal(seen.logits, logits(shadow.model, stand))
        for seen, k in zip(shadows.never, range(4), strict=True):
            oracle = stand.store.oracle(SCRATCH, stand.requests[0], SHADOW_SEEDS + k).model
            assert torch.equal(seen.logits, logits(oracle, stand))

    def test_those_of_a_fine_tuned_oracle_are_fine_tuned(self, stand) -> None:
        seen = []
        take = stand._taken

        def taken(number, view, model=None):
            seen.append(stand.case(number, view, model).shadows.forgotten)
            return take(number, view, model)

        object.__setattr__(stand, "_taken", taken)
        stand.of_oracle(FINETUNE, 1)
        expected = [stand.store.oracle(FINETUNE, stand.requests[0], shadow.seed).model for shadow in stand.shadows]
        assert all(torch.equal(a.logits, logits(b, stand)) for a, b in zip(seen[0], expected, strict=True))

    def test_what_a_method_left_is_shown_to_no_other_row(self, stand) -> None:
        with stand.forgetting("head-mask", {}) as steps:
            steps.carry_out(0)
        forgotten = stand.case(1, stand.original).shadows.forgotten
        assert torch.equal(forgotten[0].logits, logits(stand.shadows[0].model, stand))

    def test_validation_images_are_no_members(self, stand) -> None:
        members = stand.case(1, stand.original).shadows.members
        names = {sample.name for sample in stand.splits.train.samples}
        assert members.tolist() == [sample.name in names for sample in stand.attack.samples]
        assert 0 < members.sum() < len(members)

    def test_only_the_base_under_test_is_kept_beside_the_results(self, suite, tmp_path) -> None:
        stand = make_bench(suite, "4-shot", 1, tmp_path / "models", suite.load())
        assert isinstance(stand, ShadowedBench)
        digest = stand.model.digest()
        assert [shadow.model.digest() == digest for shadow in stand.shadows] == [False] * 4
        assert len(list((tmp_path / "bases").glob("*.safetensors"))) == 1
        assert len(list((tmp_path / "models").glob("*.safetensors"))) == 4

    def test_rows_come_out(self, stand) -> None:
        with stand.forgetting("gs-lora", {}) as steps:
            steps.carry_out(0)
            readings, _ = stand.of_edited(1, steps.entry)
        assert {reading.key for reading in readings} >= KEYS
        assert {reading.key for reading in stand.of_original(1)[0]} >= KEYS
        assert {reading.key for reading in stand.of_oracle(SCRATCH, 1).taken[0]} >= KEYS


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
