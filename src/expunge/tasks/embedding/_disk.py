"""An embedder on the disk: the backbone as transformers writes it, `gallery.safetensors` and `expunge.json`.

The gallery's file holds `embeddings`, (rows, d), and `owners`, (rows,): the place of each row's person among the names,
which are in `expunge.json` with pooling and scale. A person who was struck keeps the name and has no row.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from torch import Tensor, nn

from expunge.errors import CorruptWeightsError, ExpungeError, HeadError, ModelNotFoundError
from expunge.tasks.embedding.gallery import Gallery
from expunge.vision import (
    HeadedBackbone,
    Preprocess,
    architectures,
    make_empty,
    save_backbone,
)

FILE, GALLERY, WEIGHTS = "expunge.json", "gallery.safetensors", "model.safetensors"
SCHEMA = "expunge/embedder/v1"


class Manifest(BaseModel):
    """Content of an embedder's `expunge.json`.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        kind: "backbone" of transformers, or "weights" of a module that must be built in Python.
        pooling: How the backbone's output becomes one embedding an image.
        scale: What cosines are multiplied by.
        people: Their names, in the order of the logits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_: Annotated[Literal["expunge/embedder/v1"], Field(alias="schema")] = SCHEMA
    kind: Literal["backbone", "weights"]
    pooling: Literal["cls", "mean", "pooler", "projected"]
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    people: list[str]

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.people:
            raise ValueError("expected the names of people, found none")
        return self


@dataclass(frozen=True, eq=False)
class Stored:
    """Files of an embedder's folder beside its weights."""

    manifest: Manifest
    gallery: Gallery


def save_embedder(
    backbone: nn.Module, pooling: str, gallery: Gallery, people: Sequence[str], preprocess: Preprocess, folder: Path
) -> None:
    """Writes a model directory; see `EmbeddingModel.save`."""
    make_empty(folder)
    whole = save_backbone(backbone, folder)
    rows = {"embeddings": gallery.weight.detach().cpu().contiguous(), "owners": gallery.owners.cpu().contiguous()}
    safetensors.torch.save_file(rows, folder / GALLERY)
    manifest = Manifest.model_validate(
        {
            "schema": SCHEMA,
            "kind": "backbone" if whole else "weights",
            "pooling": pooling,
            "scale": gallery.scale,
            "people": list(people),
        }
    )
    text = json.dumps(manifest.model_dump(by_alias=True), ensure_ascii=False, indent=2) + "\n"
    (folder / FILE).write_text(text, encoding="utf-8")
    preprocess.save(folder)


def read_stored(folder: Path) -> Stored:
    """Reads and checks what lies beside the weights; raises what `load_embedder` does."""
    if not (folder / FILE).is_file():
        raise ModelNotFoundError(
            f"{folder} holds an embedder without a gallery: it knows nobody by name yet. Enroll people with photos of "
            f"them first: expunge enroll {folder} --data DIR --out OUT"
        )
    try:
        manifest = Manifest.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise CorruptWeightsError(f"{folder / FILE} cannot be read: {first}") from error
    try:
        tensors = safetensors.torch.load_file(folder / GALLERY)
        embeddings, owners = tensors["embeddings"], tensors["owners"]
    except (SafetensorError, OSError, KeyError) as error:
        raise CorruptWeightsError(
            f"{folder / GALLERY} is missing, damaged, or lacks `embeddings` and `owners`: {error}. Get it again, or "
            "enroll anew: expunge enroll"
        ) from error
    try:
        return Stored(manifest, _checked(embeddings, owners, manifest))
    except ExpungeError as error:
        raise HeadError(f"{folder / GALLERY}: {error}") from error


def is_embedder(folder: Path) -> bool:
    """Whether a directory holds an embedder with a gallery, or a bare backbone that one could be made of.

    A bare backbone names an architecture of transformers that ends in "Model" and reads no text. One whose
    `expunge.json` is damaged is left to the classifiers' loader, which says what is wrong.
    """
    if (folder / FILE).is_file():
        try:
            ours = json.loads((folder / FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(ours, dict) and ours.get("schema") == SCHEMA
    names = architectures(folder)
    if not names or not all(name.endswith("Model") for name in names):
        return False
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return "text_config" not in config and "vocab_size" not in config and "num_queries" not in config


def backbone_of(module: nn.Module) -> tuple[nn.Module, str]:
    """The backbone of a headed one, and its pooling; any other module is taken for a backbone."""
    return (module.backbone, module.pooling) if isinstance(module, HeadedBackbone) else (module, "cls")


def _checked(embeddings: Tensor, owners: Tensor, manifest: Manifest) -> Gallery:
    if embeddings.ndim != 2 or owners.shape != embeddings.shape[:1]:
        shapes = f"{tuple(embeddings.shape)} and {tuple(owners.shape)}"
        raise HeadError(f"expected embeddings of shape (rows, d) and an owner of each row; found {shapes}")
    if owners.dtype != torch.int64 or not embeddings.is_floating_point():
        raise HeadError(f"expected numbers and int64 owners; found {embeddings.dtype} and {owners.dtype}")
    nobody = owners[(owners < 0) | (owners >= len(manifest.people))]
    if len(nobody):
        raise HeadError(
            f"a row belongs to person {int(nobody[0])}, whom {FILE} does not name: it names {len(manifest.people)}, "
            "from 0 on"
        )
    return Gallery(embeddings, owners, len(manifest.people), manifest.scale)
