"""Reading an embedder with its gallery."""

import os
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from expunge.errors import CorruptWeightsError, ModelNotFoundError
from expunge.tasks.embedding._disk import WEIGHTS, read_stored
from expunge.tasks.embedding.model import EmbeddingModel
from expunge.vision import (
    load_backbone,
    load_preprocess,
    locate,
)


def load_embedder(source: str | Path, backbone: nn.Module | None = None) -> EmbeddingModel:
    """Reads an embedder with its gallery, on the CPU and in float32.

    Args:
        source: A directory that `EmbeddingModel.save` wrote.
        backbone: A module of the same structure, where transformers does not know it; its weights are overwritten.

    Raises:
        ModelNotFoundError: There is no gallery beside the backbone, or the backbone must be built in Python.
        CorruptWeightsError: A file is missing or damaged.
        DuplicateClassError: The gallery has a name twice.
        HeadError: It does not fit the names or the embedder.
    """
    folder = locate(source)
    stored = read_stored(folder)
    manifest = stored.manifest
    built = manifest.kind == "weights"
    return EmbeddingModel(
        _load_weights(backbone, folder) if built else load_backbone(folder, manifest.pooling),
        stored.gallery,
        manifest.people,
        preprocess=load_preprocess(folder),
        pooling=manifest.pooling,
        name=folder.name if Path(source).is_dir() else str(source),
        source=folder,
    )


def _load_weights(backbone: nn.Module | None, folder: Path) -> nn.Module:
    if backbone is None:
        raise ModelNotFoundError(
            f"{folder} holds the weights of an embedder that transformers does not know. Build its module in Python "
            "and call expunge.tasks.embedding.load_embedder(folder, module)."
        )
    try:
        safetensors.torch.load_model(backbone, os.fspath(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise CorruptWeightsError(
            f"{folder / WEIGHTS} is damaged or does not fit {type(backbone).__name__}: {error}"
        ) from error
    return backbone
