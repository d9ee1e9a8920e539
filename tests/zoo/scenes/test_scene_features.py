import os

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from expunge.errors import CorruptWeightsError, DataError
from expunge.vision.detection import to_corners
from expunge.zoo._dinov2 import dinov2_small
from expunge.zoo.scenes import features as features_module
from expunge.zoo.scenes import scene
from expunge.zoo.scenes.features import MEAN, STD, backbone, cache_features, file_name, patch_features

LAYERS = (1, 2)  # fewer blocks than the default: nothing here depends on which


@pytest.fixture
def model(first_blocks):
    return first_blocks


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(features_module, "SHARD", 2)


def cached(folder, n, model):
    return cache_features(folder, seed=3, split="test", n=n, layers=LAYERS, model=model)


def test_features_are_the_tokens_after_the_blocks_side_by_side(model) -> None:
    image = scene(3, "test", 0).image
    pixels = torch.tensor(np.asarray(image), dtype=torch.float32)[None] / 255
    pixels = ((pixels - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        hidden = dinov2_small()(pixel_values=pixels, output_hidden_states=True).hidden_states
    expected = torch.cat([hidden[layer][0, 1:] for layer in LAYERS], dim=1)
    assert torch.allclose(patch_features(model, [image])[0].reshape(256, 768), expected, atol=1e-4)


def test_the_lower_edge_of_the_picture_is_the_last_row(model) -> None:
    image = Image.new("RGB", (224, 224), (90, 120, 90))
    marked = image.copy()
    marked.paste((255, 0, 0), (0, 210, 224, 224))
    change = (patch_features(model, [marked]) - patch_features(model, [image]))[0].norm(dim=-1).mean(1)
    assert change.argmax() == 15


def test_what_is_kept_is_what_is_computed(tmp_path, model, small_shards) -> None:
    kept = cached(tmp_path, 3, model)
    assert len(kept) == 3
    batch = kept.batch([2, 0, 2])
    assert batch.dtype == torch.float16
    expected = patch_features(model, [scene(3, "test", i).image for i in (2, 0)])
    assert torch.allclose(batch[:2].float(), expected, rtol=1e-3, atol=5e-3)
    assert torch.equal(batch[0], batch[2])


def test_targets_are_what_is_in_the_scenes(tmp_path, model, small_shards) -> None:
    targets = cached(tmp_path, 3, model).targets()
    assert len(targets) == 3
    for index, target in enumerate(targets):
        made = scene(3, "test", index)
        assert target.labels.tolist() == list(made.labels)
        assert torch.allclose(to_corners(target.boxes) * 224, torch.tensor(made.boxes), atol=1e-3)


def test_a_run_goes_on_where_it_was_cut_off(tmp_path, model, small_shards) -> None:
    cached(tmp_path, 3, model)
    first, second = (tmp_path / file_name(3, "test", LAYERS, shard) for shard in (0, 1))
    os.utime(first, (1, 1))
    os.utime(second, (1, 1))
    cached(tmp_path, 4, model)  # one scene more: the second file alone is made again
    assert first.stat().st_mtime == 1
    assert second.stat().st_mtime != 1
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("content", [b"", b"not safetensors"], ids=["empty", "other"])
def test_a_damaged_file_is_made_again_or_named(tmp_path, model, small_shards, content) -> None:
    kept = cached(tmp_path, 1, model)
    path = tmp_path / file_name(3, "test", LAYERS, 0)
    path.write_bytes(content)
    with pytest.raises(CorruptWeightsError, match="cannot be read"):
        kept.batch([0])
    assert cached(tmp_path, 1, model).batch([0]).shape == (1, 16, 16, 768)


def test_files_of_other_pictures_are_made_again(tmp_path, model, small_shards, monkeypatch) -> None:
    cached(tmp_path, 1, model)
    monkeypatch.setattr(features_module, "digest", lambda: "other")
    cached(tmp_path, 1, model)
    with safe_open(tmp_path / file_name(3, "test", LAYERS, 0), framework="pt") as file:
        assert file.metadata()["scenes"] == "other"


def test_refuses(tmp_path, model) -> None:
    for layers in ((13,), (0, 3), (9, 6), (6, 6), ()):
        with pytest.raises(DataError, match="from 1 to 12 in ascending order; got"):
            backbone(layers)
    with pytest.raises(DataError, match="got -1"):
        cached(tmp_path, -1, model)
    with pytest.raises(DataError, match="scenes from 0 to -1; got 0"):
        cached(tmp_path, 0, model).batch([0])
    with pytest.raises(DataError, match="got 28 × 224"):
        patch_features(model, [Image.new("RGB", (28, 224))])
