"""Reading a model from a directory or from the Hugging Face Hub. No pickle is ever read."""

import os
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from expunge.errors import CorruptWeightsError, HeadError, ModelNotFoundError
from expunge.vision._checkpoint import read_pretrained, refuse_integers, refuse_missing
from expunge.vision._config import CLIP, SIGLIP, architectures
from expunge.vision._hub import locate
from expunge.vision._manifest import FILE, ONNX, WEIGHTS, Manifest, read_manifest
from expunge.vision._quiet import quiet
from expunge.vision.classifiers import CosineClassifier, HeadedBackbone
from expunge.vision.heads import Head, SoftmaxHead
from expunge.vision.model import VisionModel
from expunge.vision.onnx.loading import load_onnx
from expunge.vision.preprocess import load_preprocess
from expunge.vision.saving import ONNX_MODEL


def load_model(source: str | Path) -> VisionModel:
    """Loads an image classifier, on the CPU and in float32.

    Args:
        source: A directory that transformers' `save_pretrained` or `VisionModel.save` wrote, or the Hub id of
            an image classifier.

    Raises:
        ModelNotFoundError: Nothing answers to `source`, or the directory lacks a file it needs.
        UnsafeWeightsError: The weights come as a pickle, or the model brings code of its own.
        CorruptWeightsError: A file is damaged, does not fit the model, or lacks parameters.
        QuantizedWeightsError: The weights are quantised.
        MissingExtraError: The model needs a library that is not installed.
        HeadError: It is no image classifier, or its classifier and classes differ in number.
        NoBlocksError: It has no blocks with feed-forward networks.
        OnnxFileError: It is a graph that cannot be read, or answers otherwise in ONNX Runtime.
    """
    folder = locate(source)
    manifest = read_manifest(folder)
    name = folder.name if Path(source).is_dir() else str(source)
    if manifest is None:
        return _load_classifier(folder, name)
    if manifest.kind == WEIGHTS:
        raise ModelNotFoundError(
            f"{folder} holds the weights of a module that transformers does not know. "
            "Build the module in Python and call expunge.vision.load_weights(module, folder)."
        )
    if manifest.kind == ONNX:
        return load_onnx(folder / ONNX_MODEL, manifest.classes, load_preprocess(folder), name=name, source=folder)
    return _load_headed(folder, manifest, name)


def load_weights(module: nn.Module, folder: str | Path) -> VisionModel:
    """Reads what `VisionModel.save` wrote of a module that transformers does not know.

    Args:
        module: A module of the same structure; its weights are overwritten.
        folder: The directory.

    Raises:
        ModelNotFoundError: The directory does not hold such weights.
        CorruptWeightsError: They are damaged or do not fit the module.
        QuantizedWeightsError: They are integers.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest is None or manifest.kind != WEIGHTS:
        raise ModelNotFoundError(f"Expected {folder / FILE} of kind {WEIGHTS!r}; use load_model for other models.")
    path = folder / "model.safetensors"
    try:
        refuse_integers(path, module)
        safetensors.torch.load_model(module, os.fspath(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise CorruptWeightsError(f"{path} is damaged or does not fit {type(module).__name__}: {error}") from error
    preprocess = load_preprocess(folder)
    return VisionModel(
        module,
        manifest.classes,
        preprocess=preprocess,
        head=manifest.head,
        name=folder.name,
        source=folder,
        architecture=manifest.architecture,
    )


def architecture_of(source: str | Path) -> str | None:
    """The name that builds the module whose weights a directory of ours holds; None where there is no such name.

    Raises:
        CorruptWeightsError: Its `expunge.json` is damaged.
    """
    manifest = read_manifest(Path(source)) if Path(source).is_dir() else None
    return manifest.architecture if manifest is not None and manifest.kind == WEIGHTS else None


def _load_classifier(folder: Path, name: str) -> VisionModel:
    told_by_words = sorted({CLIP, SIGLIP}.intersection(architectures(folder)))
    if told_by_words:
        raise HeadError(
            f"{name} is a {told_by_words[0]}, which tells pictures by words and has no classes of its own. Name them: "
            "expunge zero-shot MODEL --classes FILE --out DIR, or in Python expunge.vision.load_zero_shot, makes a "
            "classifier of it."
        )
    with quiet():
        from transformers import AutoModelForImageClassification

    module, missing = read_pretrained(AutoModelForImageClassification, folder)
    refuse_missing(missing, folder)
    labels = module.config.id2label
    classes = [str(labels[index]) for index in range(len(labels))]
    return VisionModel(module, classes, preprocess=load_preprocess(folder), name=name, source=folder)


def _load_headed(folder: Path, manifest: Manifest, name: str) -> VisionModel:
    backbone = load_backbone(folder, manifest.pooling)
    projected = manifest.pooling == "projected"
    width = getattr(backbone.config, "projection_dim" if projected else "hidden_size", None)
    classifier = _read_classifier(folder / "head.safetensors", manifest.head, len(manifest.classes), width)
    module = HeadedBackbone(backbone, manifest.pooling or "cls", classifier, manifest.prompts)
    return VisionModel(
        module,
        manifest.classes,
        preprocess=load_preprocess(folder),
        head=manifest.head,
        name=name,
        source=folder,
    )


def load_backbone(folder: Path, pooling: str | None) -> Any:
    """Reads a transformers backbone, on the CPU and in float32; raises what `load_model` does.

    Args:
        folder: What `save_pretrained` wrote.
        pooling: How its embeddings are made: unless by its pooler, the directory need not have one.
    """
    with quiet():
        from transformers import AutoModel, CLIPVisionModelWithProjection

    kind = CLIPVisionModelWithProjection if pooling == "projected" else AutoModel
    backbone, missing = read_pretrained(kind, folder)
    if pooling != "pooler" and missing and all(key.startswith("pooler.") for key in missing):
        backbone.pooler = None  # saved without the pooler that transformers adds by default
        missing = set()
    refuse_missing(missing, folder)
    return backbone


def _read_classifier(path: Path, head: Head, classes: int, width: int | None) -> nn.Module:
    """Builds the classifier in `head.safetensors`, for embeddings of `width` numbers where that is known."""
    if not path.is_file():
        raise CorruptWeightsError(f"{path} is missing: the classifier would be left at random values.")
    try:
        tensors = safetensors.torch.load_file(path)
        weight = tensors["weight"]
        classifier = _empty_classifier(weight, head, bias="bias" in tensors)
        classifier.load_state_dict(tensors)
    except (SafetensorError, RuntimeError, OSError, KeyError, ValueError) as error:
        raise CorruptWeightsError(f"{path} is damaged or is no {head.kind} classifier: {error}") from error
    if len(weight) != classes:
        raise HeadError(f"Expected {path} to hold one row a class, {classes} in all; found {len(weight)}.")
    if width is not None and weight.shape[1] != width:
        raise HeadError(f"{path} expects {weight.shape[1]} numbers an image; the backbone gives {width}.")
    return classifier


def _empty_classifier(weight: Tensor, head: Head, *, bias: bool) -> nn.Module:
    rows, width = weight.shape
    if isinstance(head, SoftmaxHead):
        return nn.Linear(width, rows, bias=bias)
    return CosineClassifier(width, rows, scale=head.scale)
