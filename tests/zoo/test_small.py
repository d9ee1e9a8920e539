import gzip
import json

import numpy as np
import pytest
import torch
from PIL import Image

from expunge.data import Images
from expunge.errors import CorruptWeightsError, DataError, MissingExtraError
from expunge.intervals import wilson
from expunge.tasks.classification.accuracy import accuracy
from expunge.vision import ActivationCache
from expunge.zoo import model_entry
from expunge.zoo._small_vit import Shape
from expunge.zoo.fashion import data as fashion_data
from expunge.zoo.fashion.data import CLASSES, SAMPLE_TEST, SAMPLE_TRAIN, fashion, fashion_images
from expunge.zoo.glyphs.data import CHARACTERS, fonts, glyphs, glyphs_of, sheet
from expunge.zoo.recipe import Recipe, grey, normalised, preprocess, train, wrap
from expunge.zoo.small import FASHION, GLYPHS

TINY = Recipe(Shape(dim=16, blocks=2, heads=2), epochs=1, batch_size=16, mirror=True, shift=2)


def correct(model, images: Images) -> tuple[int, int]:
    rate = accuracy(ActivationCache(model, batch_size=500).outputs(images).logits, torch.tensor(images.labels))
    return rate.hits, rate.n


class TestCheckpoints:
    @pytest.mark.parametrize(("small", "least"), [(FASHION, 89.0), (GLYPHS, 93.0)])
    def test_the_result_file_belongs_to_the_recipe(self, small, least) -> None:
        result = json.loads((small.folder / "result.json").read_text())
        assert result["recipe"]["epochs"] == small.recipe.epochs
        assert result["recipe"]["shape"]["dim"] == small.recipe.shape.dim
        assert result["test"]["acc"] >= least
        assert (small.folder / "model.safetensors").stat().st_size < 2_000_000

    def test_glyphs_reads_as_well_as_its_result_says(self) -> None:
        images = glyphs_of("test").select(range(0, 5100, 5))
        hits, n = correct(model_entry("zoo:glyphs").model(), images)
        claimed = json.loads((GLYPHS.folder / "result.json").read_text())["test"]["acc"]
        interval = wilson(hits, n, 0.999)
        assert interval.low <= claimed <= interval.high

    def test_fashion_knows_the_sample(self) -> None:
        hits, n = correct(model_entry("zoo:fashion").model(), fashion_images("test", "sample"))
        assert n == 10 * SAMPLE_TEST
        assert wilson(hits, n, 0.999).high >= 89.0

    def test_a_damaged_checkpoint_is_named(self, monkeypatch, tmp_path) -> None:
        (tmp_path / "model.safetensors").write_bytes(b"not safetensors")
        monkeypatch.setattr(type(FASHION), "folder", tmp_path)
        with pytest.raises(CorruptWeightsError, match=r"model\.safetensors cannot be read"):
            FASHION.model(CLASSES)


class TestGlyphs:
    def test_every_face_has_every_character(self) -> None:
        assert sheet().shape == (len(fonts()), len(CHARACTERS), 28, 28)
        assert len(CHARACTERS) == len(set(CHARACTERS)) == 100
        assert len(fonts()) >= 100
        assert sheet().reshape(-1, 28 * 28).any(axis=1).all()

    def test_training_and_test_share_no_typeface_nor_a_likeness_of_one(self) -> None:
        flat = sheet().reshape(len(fonts()), -1).astype(np.float64)
        flat -= flat.mean(axis=1, keepdims=True)
        flat /= np.linalg.norm(flat, axis=1, keepdims=True)
        tested = np.array([font["split"] == "test" for font in fonts()])
        assert (flat[tested] @ flat[~tested].T).max() < 0.91  # drawn with a limit of 0.9, before grey levels were cut
        first = [font["family"].split()[0].casefold()[:5] for font in fonts()]
        assert not {f for f, t in zip(first, tested, strict=True) if t} & {
            f for f, t in zip(first, tested, strict=True) if not t
        }

    def test_splits(self) -> None:
        splits = glyphs()
        assert set(splits.test.counts()) == {51}
        assert set(splits.train.counts()) == {98}
        assert set(splits.validation.counts()) == {11}


class TestFashion:
    def test_the_sample_is_part_of_the_full_set(self) -> None:
        if not fashion_data.installed():
            pytest.skip("the full data set is not installed")
        full, sample = fashion_images("train"), fashion_images("train", "sample")
        for label in (0, 8):
            ours = grey(sample.only([label]))
            theirs = grey(full.only([label]).select(range(SAMPLE_TRAIN)))
            assert torch.equal(ours, theirs)

    def test_without_the_full_set_the_sample_serves(self, monkeypatch, tmp_path) -> None:
        monkeypatch.setenv(fashion_data.VARIABLE, str(tmp_path))
        fashion_data._arrays.cache_clear()  # another test may have read the full set
        assert len(fashion().test) == 10 * SAMPLE_TEST
        with pytest.raises(MissingExtraError, match="dataset-fashion-mnist"):
            fashion(source="full")

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"no gzip", "not a readable gzip"),
            (gzip.compress(bytes(4) + (9).to_bytes(4, "big") + bytes(50), mtime=0), "expected"),
        ],
        ids=["no gzip", "too short"],
    )
    def test_a_damaged_file_is_named(self, monkeypatch, tmp_path, content, said) -> None:
        monkeypatch.setenv(fashion_data.VARIABLE, str(tmp_path))
        for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
            (tmp_path / name).write_bytes(content)
        fashion_data._arrays.cache_clear()
        try:
            with pytest.raises(CorruptWeightsError, match=said):
                fashion(source="full")
        finally:
            fashion_data._arrays.cache_clear()


class TestRecipe:
    def test_what_training_sees_is_what_preprocessing_gives(self) -> None:
        few = fashion_images("test", "sample").select(range(0, 400, 40))
        pictures = [picture for picture in few.load() if isinstance(picture, Image.Image)]
        assert len(pictures) == 10
        assert torch.allclose(normalised(grey(few)), preprocess()(pictures), atol=1e-6)

    def test_the_same_seed_trains_the_same_model_and_another_another(self) -> None:
        few = fashion_images("train", "sample").select(range(0, 600, 6))
        digests = [wrap(train(TINY, few, seed=seed), CLASSES, "x").digest() for seed in (0, 0, 1)]
        assert digests[0] == digests[1] != digests[2]

    def test_a_class_without_images_gets_no_answers(self) -> None:
        recipe = Recipe(Shape(dim=16, blocks=2, heads=2), epochs=6, batch_size=16)
        few = fashion_images("train", "sample").without([8])
        model = wrap(train(recipe, few, seed=0), CLASSES, "x")
        logits = ActivationCache(model).outputs(fashion_images("test", "sample")).logits
        assert not (logits.argmax(1) == 8).any()

    def test_going_on_changes_the_model_given(self) -> None:
        few = fashion_images("train", "sample").select(range(0, 600, 20))
        module = TINY.shape.build(10)
        assert train(TINY, few, seed=0, start=module) is module

    def test_pictures_of_another_size_are_refused(self, tmp_path) -> None:
        class Large:
            name = "large.png"

            def load(self):
                return Image.new("L", (30, 28))

        with pytest.raises(DataError, match=r"large\.png to be a picture of 28 × 28"):
            grey(Images((Large(),), (0,), CLASSES))
