"""Enrolling: photos of people become the rows of a gallery."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.data import Images
from expunge.errors import EmptyClassError, HeadError
from expunge.tasks.embedding._disk import FILE, backbone_of, is_embedder
from expunge.tasks.embedding.gallery import Gallery, fitting_scale
from expunge.tasks.embedding.model import Embedder, EmbeddingModel
from expunge.values import Block
from expunge.vision import Preprocess, VisionModel, load_backbone, load_preprocess, locate

BATCH = 48


def enroll(
    model: VisionModel | nn.Module,
    images: Images,
    *,
    preprocess: Preprocess | None = None,
    pooling: str | None = None,
    rows: int | None = None,
    scale: float | None = None,
    name: str = "embedder",
    blocks: Sequence[Block] | None = None,
) -> EmbeddingModel:
    """Makes a gallery of people's photos, with the embedder as it is.

    Args:
        model: A backbone of transformers, any module that gives (n, d) embeddings, an embedder with another gallery,
            which is left out, or a classifier on a backbone (`HeadedBackbone`), whose classifier is left out.
        images: Photos; their classes are the people. Each photo becomes one row.
        preprocess: How pictures become pixels, where the model does not say.
        pooling: "cls", "mean" or "pooler", where the model does not say; "cls" by default.
        rows: Photos of each person at the most, the first ones; None for all.
        scale: What cosines are multiplied by; by default what makes answers as sure as they are right.
        name: What the model is called in reports.
        blocks: The repeated blocks of the module, where they are not recognised.

    Raises:
        EmptyClassError: A person has no photo.
        HeadError: No preprocessing is known, or the pooling does not fit the backbone, or an embedding is no number.
        NoBlocksError: The backbone has no blocks that are recognised.
    """
    prepared = model.preprocess if preprocess is None and isinstance(model, VisionModel) else preprocess
    if prepared is None:
        raise HeadError("expected a preprocess, which says how photos become pixels; a bare module says none")
    backbone, found = backbone_of(model.module if isinstance(model, VisionModel) else model)
    lacking = [images.classes[person] for person, count in enumerate(images.counts()) if not count]
    if lacking:
        raise EmptyClassError(f"no photo of {lacking[0]!r} to enroll: add some, or leave the person out")
    chosen = _first(images, rows)
    module = Embedder(backbone.eval(), pooling or found, nn.Identity())
    embeddings, owners = _embed(module, prepared, chosen), torch.tensor(chosen.labels)
    gallery = Gallery(embeddings, owners, len(images.classes), scale or fitting_scale(embeddings, owners))
    return EmbeddingModel(
        backbone, gallery, images.classes, preprocess=prepared, pooling=pooling or found, name=name, blocks=blocks
    )


def load_unenrolled(source: str | Path) -> tuple[nn.Module, Preprocess] | None:
    """The backbone of a directory that holds one alone, with its preprocessing; None where it holds more than that.

    Raises:
        ModelError: It cannot be found or read.
    """
    folder = locate(source)
    if (folder / FILE).is_file() or not is_embedder(folder):
        return None
    return load_backbone(folder, None), load_preprocess(folder)


def _first(images: Images, rows: int | None) -> Images:
    seen, chosen = [0] * len(images.classes), []
    for place, label in enumerate(images.labels):
        seen[label] += 1
        if rows is None or seen[label] <= rows:
            chosen.append(place)
    return images.select(chosen)


@torch.no_grad()
def _embed(module: Embedder, preprocess: Preprocess, images: Images) -> Float[Tensor, "n d"]:
    device, parts = next(module.parameters()).device, []
    for start in range(0, len(images), BATCH):
        batch = images.load(range(start, min(start + BATCH, len(images))))
        pictures = [one for one in batch if not isinstance(one, Tensor)]
        prepared = iter(preprocess(pictures)) if pictures else iter(())
        pixels = torch.stack([one if isinstance(one, Tensor) else next(prepared) for one in batch])
        parts.append(module.embed(pixels.to(device)).float().cpu())
    return torch.cat(parts)
