"""Models from timm. The only file that imports it, and only when called: timm needs torchvision."""

from collections.abc import Sequence
from math import floor
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors import SafetensorError
from torch import nn

from expunge.errors import (
    CorruptWeightsError,
    HeadError,
    MissingExtraError,
    ModelError,
    ModelNotFoundError,
    UnsafeWeightsError,
)
from expunge.vision._hub import fetch
from expunge.vision.heads import Head, SoftmaxHead
from expunge.vision.model import VisionModel
from expunge.vision.preprocess import HFPreprocess, Preprocess, standard_preprocess


def from_timm(
    model: str | nn.Module,
    classes: Sequence[str],
    *,
    weights: Path | None = None,
    preprocess: Preprocess | None = None,
    head: Head = SoftmaxHead(),  # noqa: B008 - a frozen value
    name: str | None = None,
    **settings: Any,
) -> VisionModel:
    """Takes a classifier from timm.

    Args:
        model: A timm model with its weights, or the name of a pre-trained one.
        classes: Names of the classes, in the order of the logits.
        weights: For a name, a safetensors file to read instead of the published one.
        preprocess: How pictures become pixels; by default as timm's data config of the model says.
        head: The loss that belongs to the logits.
        name: What the model is called in reports; by default its name in timm.
        settings: For a name, further arguments of `timm.create_model`.

    Raises:
        MissingExtraError: timm is not installed.
        ModelNotFoundError: timm knows no such model, or its weights cannot be had.
        UnsafeWeightsError: The weights are not safetensors.
        CorruptWeightsError: The weights are damaged or do not fit the model.
        HeadError: The classifier and `classes` differ in number.
        ModelError: The data config cannot be followed without torchvision.
    """
    timm = _import_timm()
    module = _create(timm, model, len(classes), weights, settings) if isinstance(model, str) else model
    published = getattr(module, "pretrained_cfg", None) or {}
    return VisionModel(
        module,
        classes,
        preprocess=preprocess or _preprocess(timm.data.resolve_model_data_config(module)),
        head=head,
        name=name or published.get("architecture") or type(module).__name__,
    )


def _import_timm() -> Any:
    try:
        import timm  # pyright: ignore[reportMissingImports]
        import timm.data  # pyright: ignore[reportMissingImports]
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
        raise MissingExtraError(
            f'Models from timm need timm and torchvision: pip install "expunge[timm]". The import says: {error}'
        ) from error
    return timm


def _create(timm: Any, name: str, classes: int, weights: Path | None, settings: dict[str, Any]) -> nn.Module:
    """Builds a model with weights from a safetensors file, every one of them."""
    if not timm.is_model(name):
        raise ModelNotFoundError(f"timm has no model {name!r}; timm.list_models('*{name[:4]}*') lists what it has.")
    path = _published(timm, name, classes) if weights is None else weights
    if path.suffix != ".safetensors":
        raise UnsafeWeightsError(f"Expected a .safetensors file; got {path}, which may be a pickle.")
    # With the right number of classes in the overlay timm reads the classifier too, and reads strictly.
    overlay = {"file": str(path), "num_classes": classes, "custom_load": False}
    overlay |= settings.pop("pretrained_cfg_overlay", {})
    try:
        return timm.create_model(name, pretrained=True, num_classes=classes, pretrained_cfg_overlay=overlay, **settings)
    except FileNotFoundError as error:
        raise ModelNotFoundError(f"There is no file {path}.") from error
    except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise CorruptWeightsError(f"{path} is damaged or does not fit {name}: {error}") from error


def _published(timm: Any, name: str, classes: int) -> Path:
    """Fetches the published weights of a model."""
    published = timm.get_pretrained_cfg(name)
    if published is None or not published.hf_hub_id:
        raise ModelNotFoundError(f"timm publishes no weights for {name!r}. Name a file with `weights=`.")
    if published.num_classes != classes:
        raise HeadError(
            f"{name} was trained on {published.num_classes} classes, but {classes} class names were given. "
            "A classifier of another size would be left at random values."
        )
    return fetch(published.hf_hub_id, ("model.safetensors",)) / "model.safetensors"


def _preprocess(config: dict[str, Any]) -> HFPreprocess:
    """The evaluation transform of a timm data config, without torchvision."""
    _, height, width = config["input_size"]
    interpolation = config["interpolation"].upper()
    if height != width or config["crop_mode"] == "border" or interpolation not in Image.Resampling.__members__:
        raise ModelError(
            "Expected square pictures, a crop mode of center or squash and an interpolation that Pillow has; "
            f"timm's data config of the model says {config}. Hand over `preprocess=` instead."
        )
    side = floor(height / config["crop_pct"])
    return standard_preprocess(
        height,
        config["mean"],
        config["std"],
        resize=(side, side) if config["crop_mode"] == "squash" else side,
        resample=Image.Resampling[interpolation],
    )
