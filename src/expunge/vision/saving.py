"""Writing a model directory. Weights are safetensors only.

Four kinds, by what the module is:

* a transformers classifier: its own `config.json` and `model.safetensors`, with the classes as `id2label`;
* a `HeadedBackbone`: the same of the backbone, so that plain transformers loads that part, plus
  `expunge.json` and `head.safetensors`;
* any other module: `model.safetensors` and `expunge.json`; `load_weights` needs the module to read them into, which is
  found by name where `architecture` says one;
* a graph read from an ONNX file: `model.onnx`, the same file with only the edited numbers changed, and `expunge.json`.

Each holds `preprocessor_config.json` as well.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors.torch
from torch import nn

from expunge.errors import HeadError, OutputError
from expunge.vision._manifest import HEADED_BACKBONE, ONNX, WEIGHTS, Manifest, write_manifest
from expunge.vision._quiet import quiet
from expunge.vision.classifiers import HeadedBackbone
from expunge.vision.heads import Head, SoftmaxHead
from expunge.vision.onnx._module import OnnxModule
from expunge.vision.onnx._writing import write
from expunge.vision.preprocess import Preprocess

if TYPE_CHECKING:
    from transformers import PreTrainedModel


ONNX_MODEL = "model.onnx"
"""Where a model directory holds the graph that it is."""


def save_model(
    module: nn.Module,
    folder: Path,
    *,
    classes: Sequence[str],
    head: Head,
    preprocess: Preprocess,
    architecture: str | None = None,
) -> None:
    """Writes a model directory.

    Args:
        module: The classifier.
        folder: Is made where it does not exist.
        classes: Names of the classes, in the order of the logits.
        head: The loss that belongs to the logits.
        preprocess: How pictures become pixels.
        architecture: A name that builds the module, if transformers does not know it.

    Raises:
        OutputError: The directory cannot be written, or holds something already.
        HeadError: A transformers classifier has a margin head, which its checkpoint cannot say.
        OnnxFileError: A graph cannot be written, or answers otherwise in ONNX Runtime.
    """
    classes = tuple(classes)
    whole = _as_pretrained(module)
    backbone = _as_pretrained(module.backbone) if isinstance(module, HeadedBackbone) else None
    if whole is not None and not isinstance(head, SoftmaxHead):
        raise HeadError(
            f"{type(module).__name__} is saved as a transformers checkpoint, which cannot say that its head "
            f"is {head.kind}. Put the head on the backbone with HeadedBackbone."
        )
    make_empty(folder)
    if whole is not None:
        _save_classifier(whole, folder, classes)
    elif isinstance(module, HeadedBackbone) and backbone is not None:
        save_backbone(backbone, folder)
        _save_tensors(module.classifier, folder / "head.safetensors")
        write_manifest(Manifest(HEADED_BACKBONE, classes, head, module.pooling, prompts=module.prompts), folder)
    elif isinstance(module, OnnxModule):
        write(module, folder / ONNX_MODEL)
        write_manifest(Manifest(ONNX, classes, head), folder)
    else:
        _save_tensors(module, folder / "model.safetensors")
        write_manifest(Manifest(WEIGHTS, classes, head, architecture=architecture), folder)
    preprocess.save(folder)


def save_backbone(backbone: nn.Module, folder: Path) -> bool:
    """Writes a backbone into a directory as transformers does, or the bare weights of any other module.

    Returns:
        Whether transformers can read it.
    """
    whole = _as_pretrained(backbone)
    with quiet():
        _save_tensors(backbone, folder / "model.safetensors") if whole is None else whole.save_pretrained(folder)
    return whole is not None


def _save_classifier(model: "PreTrainedModel", folder: Path, classes: tuple[str, ...]) -> None:
    model.config.id2label = dict(enumerate(classes))
    model.config.label2id = {name: index for index, name in enumerate(classes)}
    with quiet():
        model.save_pretrained(folder)


def _save_tensors(module: nn.Module, path: Path) -> None:
    safetensors.torch.save_model(module, os.fspath(path))


def _as_pretrained(module: nn.Module) -> "PreTrainedModel | None":
    from transformers import PreTrainedModel

    return module if isinstance(module, PreTrainedModel) else None


def make_empty(folder: Path) -> None:
    """Makes a directory in which nothing lies yet: stale files of another kind would decide how it is read.

    Raises:
        OutputError: It cannot be made, or holds something.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        holds = next(folder.iterdir(), None)
    except OSError as error:
        raise OutputError(f"The model cannot be written to {folder}: {error}") from error
    if holds is not None:
        raise OutputError(f"Expected {folder} to be empty or new; it holds {holds.name}. Name another directory.")
