"""Fetching a model from the Hugging Face Hub: safetensors and JSON only, no other file is ever downloaded."""

from pathlib import Path

from expunge.errors import ModelNotFoundError, UnsafeWeightsError

FILES = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "expunge.json",
    "head.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*.safetensors",
)


def locate(source: str | Path, files: tuple[str, ...] = FILES) -> Path:
    """The directory of a model: `source` itself, or what `fetch` brings of that name.

    Raises:
        ModelNotFoundError: Nothing answers to `source`.
        UnsafeWeightsError: The Hub's model has no safetensors.
    """
    if Path(source).is_dir():
        return Path(source)
    if isinstance(source, Path):
        raise ModelNotFoundError(f"There is no directory {source}. Expected one that save_pretrained wrote.")
    return fetch(source, files)


def fetch(repo: str, files: tuple[str, ...] = FILES) -> Path:
    """Downloads a repository, or finds it in the local cache.

    Args:
        repo: Hub id, such as "google/vit-base-patch16-224".
        files: Which files, as glob patterns.

    Returns:
        The local directory.

    Raises:
        ModelNotFoundError: The Hub has no such model, or cannot be reached and the cache does not hold it.
        UnsafeWeightsError: The model has no safetensors.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        folder = Path(snapshot_download(repo, allow_patterns=list(files)))
    except (OSError, ValueError, HfHubHTTPError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise ModelNotFoundError(
            f"There is no directory {repo!r}, and no model {repo!r} could be had from the Hugging Face Hub: "
            f"{first_line.rstrip('.')}. Check the name, or the network."
        ) from error
    if not any(folder.glob("*.safetensors")):
        raise UnsafeWeightsError(
            f"The Hub's model {repo!r} has no safetensors, so its weights are most likely a pickle, which could run "
            "code when read. Use a model that has safetensors."
        )
    return folder
