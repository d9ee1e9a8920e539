"""Reading `config.json` of a transformers checkpoint: nothing in it may run code, and what it says must make sense."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from expunge.errors import CorruptWeightsError, QuantizedWeightsError, UnsafeWeightsError
from expunge.vision._quiet import quiet

FILE = "config.json"
CLIP, SIGLIP = "CLIPModel", "SiglipModel"
"""Architectures that tell pictures by words."""
_ATTENTION = ("eager", "sdpa")
"""Ways to compute attention that are part of torch; for others transformers may fetch code, a kernel, from the Hub."""


def architectures(folder: Path) -> list[str]:
    """The classes that `config.json` names; nothing where it cannot be read, which loading will tell."""
    names = _said(folder).get("architectures")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def problem_type(folder: Path) -> object:
    """Problem type in `config.json`: "multi_label_classification" where labels do not exclude each other."""
    return _said(folder).get("problem_type")


def _said(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def read_config(folder: Path) -> Any:
    """The configuration of a model directory, as transformers has it.

    Raises:
        UnsafeWeightsError: The model needs code from the directory, or names weights of its own.
        QuantizedWeightsError: The weights are quantised.
        CorruptWeightsError: The file cannot be read, or numbers its classes otherwise than from 0 on.
    """
    path = folder / FILE
    values = _read_json(path)
    if any(part.get("quantization_config") is not None for part in _objects(values)):
        raise QuantizedWeightsError(
            f"{path} says that the weights are quantised (quantization_config). Expected floating-point weights: get "
            "the model as it was before, or undo the quantisation with the library that made it."
        )
    _check_labels(values, path)
    with quiet():
        from transformers import AutoConfig

        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        except Exception as error:  # each model type has checks of its own, which raise nearly anything
            if "trust_remote_code" in str(error):
                raise UnsafeWeightsError(
                    f"The model in {folder} needs Python code that lies beside it, which is never run. "
                    "Build the module yourself and hand it to VisionModel."
                ) from error
            raise CorruptWeightsError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if getattr(config, "transformers_weights", None) is not None:
        raise UnsafeWeightsError(f"{path} names a weights file of its own; expected model.safetensors.")
    _choose_attention(config)
    return config


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptWeightsError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise CorruptWeightsError(f"{path} cannot be read: expected an object, found a {type(values).__name__}")
    return values


def _objects(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The object itself and those directly inside it: the configurations of a model's parts."""
    yield values
    yield from (value for value in values.values() if isinstance(value, dict))


def _check_labels(values: Mapping[str, Any], path: Path) -> None:
    """The classes must be numbered like the rows of the head."""
    labels = values.get("id2label")
    if labels is None:
        return
    if not isinstance(labels, dict):
        raise CorruptWeightsError(
            f'{path}: id2label is a {type(labels).__name__}; expected an object, {{"0": "cat", "1": "dog", …}}.'
        )
    wanted = {str(index) for index in range(len(labels))}
    if set(labels) != wanted:
        odd = sorted(set(labels) - wanted)[:3]
        raise CorruptWeightsError(
            f"{path}: id2label has the keys {', '.join(map(repr, odd))}; expected its {len(labels)} classes to be "
            f"numbered from 0 to {len(labels) - 1}, as the rows of the head are."
        )


def _choose_attention(config: Any) -> None:
    """Leaves the choice to transformers wherever the file names a way of its own to compute attention.

    All ways compute the same, but some are code from the Hub.
    """
    for key in getattr(config, "sub_configs", ()):
        if getattr(config, key, None) is not None:
            _choose_attention(getattr(config, key))
    if config._attn_implementation not in _ATTENTION:
        config._attn_implementation = {"": None}  # the key of the configuration itself; its parts keep theirs
