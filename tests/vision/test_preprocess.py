"""Preprocessing against the same steps done by hand with Pillow and NumPy."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    CLIPImageProcessorPil,
    ConvNextImageProcessorPil,
    ViTImageProcessorPil,
)

from expunge.errors import CorruptWeightsError, DataError, ModelNotFoundError
from expunge.vision import HFPreprocess, Preprocess, load_preprocess, standard_preprocess
from expunge.vision.detection import fixed_preprocess
from tests.vision.conformance import MEAN, STD, pictures


def by_hand(picture: Image.Image, resized: tuple[int, int], side: int) -> torch.Tensor:
    """Resizes to width and height, crops the centre, scales to 0..1 and normalises."""
    small = picture.convert("RGB").resize(resized, Image.Resampling.BICUBIC)
    left, top = (small.width - side) // 2, (small.height - side) // 2
    values = np.asarray(small.crop((left, top, left + side, top + side)), dtype=np.float64) / 255
    return torch.from_numpy((values - MEAN) / STD).permute(2, 0, 1).float()


def test_the_shorter_side_is_resized_and_the_centre_cropped() -> None:
    prepared = standard_preprocess(24, MEAN, STD)(pictures())
    expected = [(24, 30), (30, 24), (24, 30), (24, 30), (24, 30)]  # of 40 × 50, once turned
    for pixels, picture, size in zip(prepared, pictures(), expected, strict=True):
        torch.testing.assert_close(pixels, by_hand(picture, size, 24), rtol=0, atol=1e-5)


def test_a_line_is_refused_before_it_is_resized() -> None:
    prepare = standard_preprocess(24, MEAN, STD)
    assert prepare([Image.new("RGB", (100, 1))]).shape == (1, 3, 24, 24)
    for size in ((1, 101), (60_000, 1)):
        with pytest.raises(DataError, match=r"mere line: one side may be 100 times"):
            prepare([Image.new("RGB", size)])
    with pytest.raises(DataError, match="mere line"):
        fixed_preprocess(8, 8, MEAN, STD)([Image.new("RGB", (1, 101))])


def test_a_margin_is_cropped_off() -> None:
    prepared = standard_preprocess(24, MEAN, STD, resize=32)(pictures()[:1])
    torch.testing.assert_close(prepared[0], by_hand(pictures()[0], (32, 40), 24), rtol=0, atol=1e-5)


def test_both_sides_may_be_resized() -> None:
    prepared = standard_preprocess(24, MEAN, STD, resize=(30, 28))(pictures()[:1])
    torch.testing.assert_close(prepared[0], by_hand(pictures()[0], (28, 30), 24), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("processor", "size"),
    [
        (ViTImageProcessorPil(size={"height": 20, "width": 30}), (20, 30)),
        (CLIPImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}), (32, 32)),
        (ConvNextImageProcessorPil(size={"shortest_edge": 28}), (28, 28)),
    ],
)
def test_the_size_is_what_comes_out(processor: object, size: tuple[int, int]) -> None:
    preprocess = HFPreprocess(processor)
    assert isinstance(preprocess, Preprocess)
    assert preprocess.size == size
    assert preprocess(pictures()).shape == (5, 3, *size)


def test_what_is_saved_is_what_transformers_and_we_read(tmp_path: Path) -> None:
    preprocess = standard_preprocess(24, MEAN, STD, resize=32)
    preprocess.save(tmp_path)
    expected = preprocess(pictures())
    assert torch.equal(load_preprocess(tmp_path)(pictures()), expected)
    plain = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    rgb = [picture.convert("RGB") for picture in pictures()]
    assert torch.equal(plain(images=rgb, return_tensors="pt")["pixel_values"], expected)


def test_a_missing_processor_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"preprocessor_config\.json"):
        load_preprocess(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"image_processor_type": "NoSuchProcessor"}'])
def test_a_damaged_processor_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(CorruptWeightsError, match="cannot be read"):
        load_preprocess(tmp_path)
