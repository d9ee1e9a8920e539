"""Reading transformers checkpoints: safetensors only, none of the checkpoint's code, nothing left random."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from expunge.errors import (
    CorruptWeightsError,
    HeadError,
    MissingExtraError,
    ModelNotFoundError,
    QuantizedWeightsError,
    UnsafeWeightsError,
)
from expunge.vision._config import read_config
from expunge.vision._quiet import quiet

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_NO_WEIGHTS = ("num_batches_tracked", "position_ids", "relative_position_index")
"""Counters and tables that older versions of transformers stored beside the weights; nothing is lost without them."""


def read_pretrained(auto: Any, folder: Path) -> tuple[Any, set[str]]:
    """Builds a model from a directory, in float32.

    Args:
        auto: One of transformers' auto classes.
        folder: A directory with `config.json` and safetensors.

    Returns:
        The model, and the names of parameters that the checkpoint lacks.

    Raises:
        ModelNotFoundError: The directory is no whole model.
        UnsafeWeightsError: There are no safetensors, or the model needs code from the directory.
        CorruptWeightsError: A file is damaged, or its tensors do not fit the model, or are more than it has.
        QuantizedWeightsError: The weights are quantised.
        MissingExtraError: The model needs a library that is not installed.
        HeadError: The model is of a kind that `auto` does not know.
    """
    _check_files(folder)
    config = read_config(folder)
    try:
        with quiet():
            model, info = auto.from_pretrained(
                folder,
                config=config,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # told below, with names
                dtype=torch.float32,
                local_files_only=True,
            )
    except ImportError as error:
        raise MissingExtraError(
            f"The model in {folder} needs a library that is not installed: {str(error).strip().partition(chr(10))[0]} "
            'For a backbone of timm: pip install "expunge[timm]", or use weights with a backbone of transformers.'
        ) from error
    except (SafetensorError, RuntimeError, OSError) as error:
        raise CorruptWeightsError(
            f"The safetensors in {folder} are damaged: {error}. Get them again from where they came from."
        ) from error
    except ValueError as error:
        raise HeadError(
            f"Expected an image classifier or a backbone in {folder}; transformers cannot make one of model type "
            f"{config.model_type!r}: {str(error).partition(chr(10))[0]}"
        ) from error
    except Exception as error:  # impossible sizes make each model type raise what it likes
        raise CorruptWeightsError(
            f"{folder / 'config.json'} describes no model that transformers can build: {error!r}. Get it again from "
            "where it came from."
        ) from error
    if info["mismatched_keys"]:
        name, found, expected = min(info["mismatched_keys"])
        raise CorruptWeightsError(
            f"The safetensors in {folder} do not fit the model in config.json: "
            f"{name} is {tuple(found)}, not {tuple(expected)}. Get both files from the same place."
        )
    unused = {name for name in info["unexpected_keys"] if not name.endswith(_NO_WEIGHTS)}
    if unused:
        raise CorruptWeightsError(
            f"The safetensors in {folder} hold {len(unused)} tensors that the model in config.json has no use for: "
            f"{_some(unused)}. Expected one model, whole: merge adapters, and get both files from the same place."
        )
    for path in _weight_files(folder):
        refuse_integers(path, model)
    return model, set(info["missing_keys"])


def refuse_integers(path: Path, module: nn.Module) -> None:
    """Stops where a safetensors file holds integers for weights, as quantised ones are: alone they mean nothing.

    Raises:
        QuantizedWeightsError: It does.
    """
    state = module.state_dict()
    counts = {name.rpartition(".")[2] for name, tensor in state.items() if not tensor.is_floating_point()}
    with safe_open(path, framework="pt") as file:
        kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - it is no mapping
    integers = {name for name, kind in kinds.items() if not kind.startswith(("F", "BF", "C"))}
    odd = {name for name in integers if name.rpartition(".")[2] not in counts and not name.endswith(_NO_WEIGHTS)}
    if odd:
        raise QuantizedWeightsError(
            f"{path} holds integers where weights belong: {_some(odd)} ({kinds[min(odd)]}). Expected floating-point "
            "weights: get the model as it was before it was quantised."
        )


def refuse_missing(missing: set[str], folder: Path) -> None:
    """Stops where a checkpoint would leave parameters at random values.

    Raises:
        CorruptWeightsError: Some parameters are missing.
    """
    if missing:
        raise CorruptWeightsError(
            f"The safetensors in {folder} lack {_some(missing)}; they would be left at random. "
            "Expected a fine-tuned classifier; to put a new head on a backbone, use HeadedBackbone."
        )


def _some(names: set[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(sorted(names)[:5]) + more


def _weight_files(folder: Path) -> list[Path]:
    """The safetensors that transformers reads."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    shards = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
    return [folder / shard for shard in sorted(set(shards))]


def _check_files(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelNotFoundError(
            f"Expected {folder} to hold config.json and {WEIGHTS}, as transformers' save_pretrained writes "
            "them; there is no config.json."
        )
    if (folder / "adapter_config.json").exists():
        raise ModelNotFoundError(
            f"{folder} holds a PEFT adapter, which would be laid over another model. Expected a whole model: "
            "merge the adapter and save the result."
        )
    if not (folder / WEIGHTS).is_file() and not (folder / INDEX).is_file():
        found = sorted(
            path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt")
        )
        if found:
            raise UnsafeWeightsError(
                f"{folder} holds its weights only as {', '.join(found)}, a pickle, which could run code when "
                f"read. Expected {WEIGHTS}: where you trust the pickle, load it with transformers and write "
                "it anew with save_pretrained."
            )
        raise ModelNotFoundError(f"Expected {folder} to hold {WEIGHTS} beside config.json; it has no weights.")
    _check_index(folder)


def _check_index(folder: Path) -> None:
    """A shard of another name would be read as a pickle."""
    if not (folder / INDEX).is_file():
        return
    try:
        shards = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CorruptWeightsError(f"{folder / INDEX} cannot be read: {error}") from error
    unsafe = sorted(str(shard) for shard in shards if not str(shard).endswith(".safetensors"))
    if unsafe:
        raise UnsafeWeightsError(f"{folder / INDEX} names {', '.join(unsafe)}; expected .safetensors files only.")
