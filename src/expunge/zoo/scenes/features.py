"""Patch features of scenes under a frozen DINOv2 ViT-S/14, computed once and kept as float16 in safetensors files.

A scene of 224 pixels has 16 × 16 patches. Features are the tokens after block `LAYER`: this backbone was tuned for
saliency, and its last blocks tell objects from background rather than from each other. With a linear probe on cut-outs
left out in threes, the classes' mean accuracy was 76 % after block 9 and 72 % after the last, 12.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from expunge.errors import CorruptWeightsError, DataError
from expunge.zoo.dinov2 import SHA256, dinov2_small
from expunge.zoo.scenes.compose import SIDE, scene
from expunge.zoo.scenes.cutouts import digest

if TYPE_CHECKING:
    from transformers import Dinov2Model

LAYER, BLOCKS = 9, 12
GRID, WIDTH = 16, 384
BATCH, SHARD = 8, 64
"""Scenes in a forward pass, and in a file (12.6 MB)."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class SceneFeatures:
    """The features of a split's first `n` scenes, read from files as they are asked for.

    Attributes:
        folder: Where the files lie.
        seed: Seed of the scenes.
        split: str of the scenes.
        n: How many scenes.
        layer: After how many blocks the tokens were taken.
    """

    folder: Path
    seed: int
    split: str
    n: int
    layer: int

    def __len__(self) -> int:
        return self.n

    def batch(self, indices: Sequence[int]) -> Float[Tensor, "n 16 16 384"]:
        """The features of some scenes, by row, column and channel, in float16.

        Raises:
            DataError: There is no scene of an index.
            CorruptWeightsError: A file is missing or damaged.
        """
        outside = [index for index in indices if not 0 <= index < self.n]
        if outside:
            raise DataError(f"expected scenes from 0 to {self.n - 1}; got {outside[0]}")
        found = {index: self._read(index) for index in sorted(set(indices))}
        return torch.stack([found[index] for index in indices])

    def _read(self, index: int) -> Float[Tensor, "16 16 384"]:
        path = self.folder / file_name(self.seed, self.split, self.layer, index // SHARD)
        try:
            with safe_open(path, framework="pt") as file:
                return file.get_slice("features")[index % SHARD]
        except (OSError, SafetensorError) as error:
            raise CorruptWeightsError(f"{path} cannot be read: {error}. Remove it and cache again.") from error


def cache_features(
    folder: Path, *, seed: int, split: str, n: int, layer: int = LAYER, model: "Dinov2Model | None" = None
) -> SceneFeatures:
    """Computes what is not yet in the folder, 64 scenes a file; a run that was cut off goes on after its last file.

    Memory holds one file's scenes, whatever `n` is. Files of other pictures or another backbone are made again.

    Args:
        folder: Where the files go, made if need be; about 197 kB a scene.
        seed: Seed of the scenes.
        split: str of the scenes.
        n: How many scenes, from index 0 on.
        layer: After how many of the 12 blocks the tokens are taken.
        model: What `backbone(layer)` gave, so that it is loaded once for several calls.

    Raises:
        DataError: `layer` is not in 1 to 12, or `n` is negative.
        MissingExtraError: A package with weights, or the pictures, are not there.
        CorruptWeightsError: They are damaged.
    """
    if n < 0:
        raise DataError(f"expected a number of scenes, 0 or more; got {n}")
    folder.mkdir(parents=True, exist_ok=True)
    stamp = {"scenes": digest(), "backbone": SHA256}
    for shard in range(-(-n // SHARD)):
        wanted = min(SHARD, n - shard * SHARD)
        path = folder / file_name(seed, split, layer, shard)
        if _kept(path, stamp) >= wanted:
            continue
        model = model or backbone(layer)
        parts = list(_computed(model, seed, split, range(shard * SHARD, shard * SHARD + wanted)))
        partial = path.with_suffix(".part")
        save_file({"features": torch.cat(parts)}, partial, metadata=stamp)
        os.replace(partial, path)
    return SceneFeatures(folder, seed, split, n, layer)


def backbone(layer: int = LAYER) -> "Dinov2Model":
    """The first `layer` blocks of the frozen backbone, without the final norm.

    Raises:
        DataError: `layer` is not in 1 to 12.
        MissingExtraError: The package with the weights, or `onnx`, is not installed.
        CorruptWeightsError: The weights are not the pinned ones.
    """
    if not 1 <= layer <= BLOCKS:
        raise DataError(f"expected a number of blocks from 1 to {BLOCKS}; got {layer}")
    model = dinov2_small()
    del model.encoder.layer[layer:]
    model.add_module("layernorm", nn.Identity())
    return model.requires_grad_(False)


def patch_features(model: "Dinov2Model", images: Sequence[Image.Image]) -> Float[Tensor, "n 16 16 384"]:
    """What the blocks make of pictures of 224 × 224 pixels, by row, column and channel, in float32.

    Raises:
        DataError: A picture has another size.
    """
    for image in images:
        if image.size != (SIDE, SIDE):
            raise DataError(f"expected pictures of {SIDE} × {SIDE} pixels; got {image.width} × {image.height}")
    pixels = torch.from_numpy(np.stack([np.asarray(image.convert("RGB"), np.float32) for image in images]))
    normal = (pixels / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.inference_mode():
        tokens = model(pixel_values=normal.permute(0, 3, 1, 2)).last_hidden_state
    return tokens[:, 1:].unflatten(1, (GRID, GRID)).clone()


def file_name(seed: int, split: str, layer: int, shard: int) -> str:
    """The file that holds scenes `64 * shard` to `64 * shard + 63`."""
    return f"{split}-seed-{seed}-block-{layer}-{shard:04d}.safetensors"


def _computed(model: "Dinov2Model", seed: int, split: str, indices: range) -> Iterator[Float[Tensor, "n 16 16 384"]]:
    for start in range(0, len(indices), BATCH):
        images = [scene(seed, split, index).image for index in indices[start : start + BATCH]]
        yield patch_features(model, images).half()


def _kept(path: Path, stamp: dict[str, str]) -> int:
    """How many scenes a file holds; none if it is missing, damaged or of something else."""
    if not path.is_file():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_slice("features").get_shape()[0] if file.metadata() == stamp else 0
    except (OSError, SafetensorError):
        return 0
