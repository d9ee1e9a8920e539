"""The suites on a Swin and on a ConvNeXt, and what every part of `expunge` needs of such models."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from expunge.adapters import Edit, EditStack, LowRank
from expunge.bench._benches import make_bench
from expunge.bench._cell import run_cell
from expunge.bench._models import ModelStore
from expunge.bench.suite import Suite
from expunge.bench.suites import fashion, outside
from expunge.vision import ActivationCache, VisionModel
from expunge.zoo.fashion.data import CLASSES, fashion_images
from expunge.zoo.recipe import Recipe, train, wrap
from tests.vision.conformance import randomise


@dataclass(frozen=True)
class Family:
    """A suite and what must be found in its model, written by hand.

    Attributes:
        suite: Makes the suite.
        recipe: What its models are trained by.
        blocks: Names of the blocks.
        linears: Names of each block's FFN layers, within the block.
        shapes: What enters each block, of one image.
    """

    suite: Callable[[bool], Suite]
    recipe: Recipe
    blocks: tuple[str, ...]
    linears: tuple[str, str]
    shapes: tuple[tuple[int, ...], ...]


SWIN = Family(
    outside.swin,
    outside.SWIN,
    tuple(f"swin.encoder.layers.{stage}.blocks.{block}" for stage in (0, 1) for block in (0, 1)),
    ("mlp.fc1", "mlp.fc2"),
    ((49, 32), (49, 32), (16, 64), (16, 64)),  # tokens last to channels; 7 × 7 merges to 4 × 4
)
CONVNEXT = Family(
    outside.convnext,
    outside.CONVNEXT,
    tuple(f"convnext.encoder.stages.{stage}.layers.{block}" for stage in (0, 1) for block in (0, 1)),
    ("pwconv1", "pwconv2"),
    ((32, 7, 7), (32, 7, 7), (64, 3, 3), (64, 3, 3)),  # channels first; 7 × 7 is reduced to 3 × 3
)
BLOCKS = range(4)


@pytest.fixture(scope="module", params=[SWIN, CONVNEXT], ids=["swin", "convnext"])
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


@pytest.fixture
def model(family: Family) -> VisionModel:
    """The model of the whole suite, with random values in every parameter."""
    return wrap(randomise(family.recipe.shape.build(len(CLASSES))), CLASSES, "random")


def pixels(n: int = 3) -> Tensor:
    return torch.randn(n, 3, 28, 28, generator=torch.Generator().manual_seed(1))


def delta(layer: nn.Linear, seed: int = 0) -> LowRank:
    """A change of rank two that is large enough to be seen."""
    generator = torch.Generator().manual_seed(seed)
    out, inputs = layer.weight.shape
    return LowRank(torch.randn(2, inputs, generator=generator), 0.1 * torch.randn(out, 2, generator=generator))


class TestSuites:
    def test_only_the_model_differs_from_fashion(self, family) -> None:
        for quick in (False, True):
            ours, theirs = family.suite(quick), fashion.suite(quick)
            assert [setting.name for setting in ours.settings] == ["replay-10"]
            assert ours.setting("replay-10") == theirs.setting("replay-10")
            for same in ("requests", "pool", "attack", "test", "checkpoints", "budget", "one_base"):
                assert getattr(ours, same) == getattr(theirs, same), same
        assert family.suite(True).load() == fashion.suite(True).load()

    def test_no_two_models_share_a_key(self, tmp_path) -> None:
        suites = [make(quick) for make in (outside.swin, outside.convnext, fashion.suite) for quick in (False, True)]
        assert len({suite.name for suite in suites}) == 3
        images = fashion_images("train", "sample")
        assert len({ModelStore(tmp_path, suite, images).key("oracle-scratch", (8,), 0) for suite in suites}) == 6

    def test_the_recipe_of_fashion_is_what_kept_models_were_keyed_by(self) -> None:
        """Keys hash the recipe: a new field in it would have every kept model trained and every cell run again."""
        assert fashion.suite(False).recipe == {
            "shape": {"dim": 48, "blocks": 4, "heads": 4, "expansion": 2},
            "epochs": 8,
            "batch_size": 128,
            "lr": 4e-3,
            "weight_decay": 0.05,
            "warmup": 0.15,
            "mirror": True,
            "shift": 0,
            "smoothing": 0.0,
            "fine_tuning": 0.25,
        }


class TestModels:
    def test_blocks_and_classifier_are_found(self, family, model) -> None:
        found = {block.name: block.linears for block in model.blocks}
        expected = {name: tuple(f"{name}.{linear}" for linear in family.linears) for name in family.blocks}
        assert list(found) == list(family.blocks)
        assert found == expected
        assert model.head_name == "classifier"

    @pytest.mark.parametrize("block", BLOCKS)
    def test_every_block_can_be_entered_and_gone_on_from(self, family, model, block) -> None:
        whole = model(pixels())
        hidden = model.enter(pixels(), block)
        assert hidden.shape == (3, *family.shapes[block])
        rest = model.resume(hidden, block)
        assert torch.equal(rest.logits, whole.logits)
        assert torch.equal(rest.embedding, whole.embedding)
        assert whole.logits.std(dim=0).max() > 0.01  # the same for all images would prove nothing

    @pytest.mark.parametrize("block", BLOCKS[:-1])
    def test_one_block_alone_leads_to_the_next(self, model, block) -> None:
        """Two of the three steps stay in a stage, and the one between them crosses into the next."""
        assert torch.equal(model.advance(model.enter(pixels(), block), block), model.enter(pixels(), block + 1))

    @pytest.mark.parametrize("block", BLOCKS)
    def test_images_one_by_one_and_in_any_order_give_the_same(self, model, block) -> None:
        """Activations are kept an image: windows and maps of a batch must come apart along the images."""
        hidden = model.enter(pixels(), block)
        turned = model.resume(hidden[[2, 0]], block)
        torch.testing.assert_close(turned.logits, model(pixels()).logits[[2, 0]], rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("block", BLOCKS)
    def test_an_edit_is_seen_by_whoever_goes_on_below_it_and_undone_to_the_bit(self, model, block) -> None:
        before, untouched, digest = model.enter(pixels(), block), model(pixels()).logits, model.digest()
        stack = EditStack(model)
        stack.push(Edit(deltas={name: delta(model.linear(name)) for name in model.blocks[block].linears}))
        edited = model(pixels()).logits
        assert not torch.allclose(edited, untouched, atol=1e-2)
        assert torch.equal(model.enter(pixels(), block), before), "what enters the block does not depend on it"
        assert torch.equal(model.resume(before, block).logits, edited)
        stack.push(Edit(masked=(8,)))
        assert not (model(pixels(20)).logits.argmax(1) == 8).any()
        stack.undo(0)
        stack.undo()
        assert model.digest() == digest
        assert torch.equal(model(pixels()).logits, untouched)

    @pytest.mark.parametrize("block", BLOCKS)
    def test_merged_edits_are_the_layers_own_sum(self, family, model, block) -> None:
        name = model.blocks[block].linears[-1]
        low = delta(model.linear(name))
        with torch.no_grad():
            model.linear(name).weight += low.b @ low.a
        expected = model(pixels()).logits
        fresh = wrap(randomise(family.recipe.shape.build(len(CLASSES))), CLASSES, "random")
        EditStack(fresh).push(Edit(deltas={name: low}))
        torch.testing.assert_close(fresh(pixels()).logits, expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("block", BLOCKS)
    def test_gradients_of_resumed_passes_are_those_of_whole_ones(self, model, block) -> None:
        weight = model.linear(model.blocks[block].linears[0]).weight.requires_grad_(True)
        labels = torch.tensor([0, 1, 9])
        hidden = model.enter(pixels(), block).detach()
        (ours,) = torch.autograd.grad(model.loss(model.resume(hidden, block).logits, labels), weight)
        (whole,) = torch.autograd.grad(model.loss(model(pixels()).logits, labels), weight)
        assert ours.abs().max() > 0
        torch.testing.assert_close(ours, whole)

    @pytest.mark.parametrize("block", BLOCKS)
    def test_cached_activations_give_what_the_model_gives(self, model, block) -> None:
        images = fashion_images("test", "sample").select(range(0, 400, 40))
        cached = ActivationCache(model, block, batch_size=4)
        for indices in ([3, 1], [1, 7]):  # the second batch is half from the cache
            expected = model(model.prepare([images.samples[i].load() for i in indices])).logits
            torch.testing.assert_close(cached.output(images, indices).logits, expected, rtol=1e-4, atol=1e-4)


class TestTraining:
    def test_the_seed_alone_decides(self, family) -> None:
        few = fashion_images("train", "sample").select(range(0, 600, 4))
        recipe = replace(family.recipe, epochs=1, batch_size=50)
        torch.manual_seed(5)
        first = wrap(train(recipe, few, seed=0), CLASSES, "x").digest()
        torch.rand(3)
        drawn = torch.get_rng_state()
        again, other = (wrap(train(recipe, few, seed=seed), CLASSES, "x").digest() for seed in (0, 1))
        assert again == first != other
        assert torch.equal(torch.get_rng_state(), drawn), "training leaves the caller's random numbers alone"

    def test_it_learns(self, family) -> None:
        """A few steps tell trousers from bags; a network that learns nothing is right for half of them."""
        kinds = fashion_images("train", "sample").only([1, 8])
        recipe = replace(family.recipe, epochs=10, batch_size=24, lr=1e-3)
        model = wrap(train(recipe, kinds, seed=0), CLASSES, "x")
        unseen = fashion_images("test", "sample").only([1, 8])
        answers = ActivationCache(model, batch_size=80).outputs(unseen).logits.argmax(1)
        assert (answers == torch.tensor(unseen.labels)).float().mean() > 0.9

    def test_a_model_without_a_checkpoint_is_trained_once_and_kept(self, family, tmp_path) -> None:
        suite = family.suite(True)
        images = suite.load().train
        store = ModelStore(tmp_path, suite, images)
        first = store.base(0).digest()
        (kept,) = tmp_path.iterdir()
        assert kept.stem == store.key("base", (), 0)[:32]
        assert first == suite.train(images, 0, None).digest() != suite.base().digest()
        assert store.base(0).digest() == first
        assert len(list(tmp_path.iterdir())) == 1
        assert store.base(1).digest() != first

    def test_fine_tuning_goes_on_from_the_trained_model(self, family, tmp_path) -> None:
        suite = family.suite(True)
        store = ModelStore(tmp_path, suite, suite.load().train)
        base, tuned = store.base(0), store.oracle("oracle-finetune", [8], seed=0).model
        name = base.blocks[0].linears[0]
        near, far = tuned.linear(name).weight.flatten(), base.linear(name).weight.flatten()
        assert not torch.equal(near, far)
        assert torch.nn.functional.cosine_similarity(near, far, dim=0) > 0.9


class TestCells:
    @pytest.mark.slow
    def test_a_cell_runs_and_leaves_the_model_as_it_was(self, family, tmp_path) -> None:
        """FG-OrIU reads every block's output and trains inside each: of all methods it asks most of the structure."""
        suite = family.suite(True)
        bench = make_bench(suite, "replay-10", 0, tmp_path, suite.load())
        before = bench.model.digest()
        first, last = run_cell(bench, "fg-oriu", {}, lambda progress: None)
        assert bench.model.digest() == before
        assert (first.classes, last.classes) == (("bag",), ("t-shirt",))
        assert {"acc_f", "acc_r", "acc_o", "linear_probe", "int8_acc_f", "zrf"} <= set(last.readings)
        assert min(first.bytes, last.bytes) > 0
