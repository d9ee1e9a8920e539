"""Reading transformers checkpoints: safetensors only, none of the checkpoint's code, nothing left random."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from expunge.errors import CorruptWeightsError, HeadError, ModelNotFoundError, UnsafeWeightsError
from expunge.vision._quiet import quiet

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


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
        CorruptWeightsError: A file is damaged, or its tensors do not fit the model.
        HeadError: The model is of a kind that `auto` does not know.
    """
    _check_files(folder)
    config = _read_config(folder)
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
    except (SafetensorError, RuntimeError, OSError, KeyError) as error:
        raise CorruptWeightsError(
            f"The safetensors in {folder} are damaged: {error}. Get them again from where they came from."
        ) from error
    except ValueError as error:
        raise HeadError(
            f"Expected an image classifier or a backbone in {folder}; transformers cannot make one of model type "
            f"{config.model_type!r}: {str(error).partition(chr(10))[0]}"
        ) from error
    if info["mismatched_keys"]:
        name, found, expected = min(info["mismatched_keys"])
        raise CorruptWeightsError(
            f"The safetensors in {folder} do not fit the model in config.json: "
            f"{name} is {tuple(found)}, not {tuple(expected)}. Get both files from the same place."
        )
    return model, set(info["missing_keys"])


def refuse_missing(missing: set[str], folder: Path) -> None:
    """Stops where a checkpoint would leave parameters at random values.

    Raises:
        CorruptWeightsError: Some parameters are missing.
    """
    if missing:
        names = sorted(missing)
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise CorruptWeightsError(
            f"The safetensors in {folder} lack {', '.join(names[:5])}{more}; they would be left at random. "
            "Expected a fine-tuned classifier; to put a new head on a backbone, use HeadedBackbone."
        )


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


def _read_config(folder: Path) -> Any:
    with quiet():
        from transformers import AutoConfig

        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        except (OSError, ValueError, TypeError, KeyError) as error:
            if "trust_remote_code" in str(error):
                raise UnsafeWeightsError(
                    f"The model in {folder} needs Python code that lies beside it, which is never run. "
                    "Build the module yourself and hand it to VisionModel."
                ) from error
            raise CorruptWeightsError(f"{folder / 'config.json'} cannot be read: {error}") from error
    if getattr(config, "transformers_weights", None) is not None:
        raise UnsafeWeightsError(f"{folder / 'config.json'} names a weights file of its own; expected {WEIGHTS}.")
    return config
