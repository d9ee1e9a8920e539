"""The rows of a head from sentences, by the text model of a CLIP or SigLIP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.errors import CorruptWeightsError, MissingExtraError, ModelNotFoundError, PromptError
from expunge.vision._quiet import quiet
from expunge.vision.prompts import Prompts

_VOCABULARIES = ("tokenizer.json", "vocab.json", "spiece.model")
"""Files of which a tokenizer has one at least."""
TOKENIZER_FILES = (
    *_VOCABULARIES,
    *("merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)
_BATCH = 256


@torch.no_grad()
def text_rows(model: Any, tokenizer: Any, words: Mapping[str, str], prompts: Prompts) -> Float[Tensor, "c d"]:
    """One direction of length 1 a class: the mean of its sentences' directions, brought to length 1 again.

    Raises:
        PromptError: A sentence is too long, or two classes read the same.
        CorruptWeightsError: The tokenizer is not the model's.
    """
    encoded = [_encode(model, tokenizer, prompts.sentences(text)) for text in words.values()]
    seen: dict[str, str] = {}
    for name, ids in zip(words, encoded, strict=True):
        other = seen.setdefault(str(ids), name)
        if other != name:
            raise PromptError(
                f"The text model reads {other!r} and {name!r} as the same, so it cannot tell them apart. Give one of "
                "them other words."
            )
    sentences = [one for ids in encoded for one in ids]
    parts = [_embed(model, tokenizer, sentences[at : at + _BATCH]) for at in range(0, len(sentences), _BATCH)]
    embeddings = functional.normalize(torch.cat(parts), dim=-1).unflatten(0, (len(words), len(prompts.templates)))
    return functional.normalize(embeddings.mean(1), dim=-1)


def _encode(model: Any, tokenizer: Any, sentences: list[str]) -> list[list[int]]:
    """Token ids of sentences, none cut short."""
    config = model.config.text_config
    with quiet():
        encoded = tokenizer(sentences)["input_ids"]
    for sentence, ids in zip(sentences, encoded, strict=True):
        if len(ids) > config.max_position_embeddings:
            raise PromptError(
                f"The text model reads at most {config.max_position_embeddings} tokens; {sentence!r} has {len(ids)}. "
                "Shorten the name or the template."
            )
        if max(ids, default=0) >= config.vocab_size:
            raise CorruptWeightsError(
                f"The tokenizer gives the token {max(ids)} for {sentence!r}; the text model has {config.vocab_size}. "
                "Get both from the same place."
            )
    return encoded


def _embed(model: Any, tokenizer: Any, ids: list[list[int]]) -> Float[Tensor, "n d"]:
    """Embeddings of sentences. SigLIP was trained on sentences padded to full length, CLIP looks at no padding."""
    full = model.config.text_config.max_position_embeddings if hasattr(model, "logit_bias") else None
    padding = {"padding": True} if full is None else {"padding": "max_length", "max_length": full}
    with quiet():
        padded = tokenizer.pad({"input_ids": ids}, return_tensors="pt", **padding)
    features = model.get_text_features(**padded)
    return features if isinstance(features, Tensor) else features.pooler_output


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model directory.

    Raises:
        ModelNotFoundError: The directory has none.
        MissingExtraError: It needs a library that is not installed.
        CorruptWeightsError: It cannot be read.
    """
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise ModelNotFoundError(
            f"Expected {folder} to hold a tokenizer, {', '.join(_VOCABULARIES)}, which turns words into tokens; there "
            "is none. Copy it from where the model was published."
        )
    with quiet():
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        except ImportError as error:
            raise MissingExtraError(
                f"The tokenizer in {folder} needs a library that is not installed: "
                f"{str(error).strip().partition(chr(10))[0]} Run: pip install sentencepiece protobuf"
            ) from error
        except Exception as error:  # each kind of tokenizer has checks of its own, which raise nearly anything
            raise CorruptWeightsError(f"The tokenizer in {folder} cannot be read: {error}") from error
    if tokenizer.pad_token is None:
        raise CorruptWeightsError(f"The tokenizer in {folder} has no token to pad with (pad_token). Get it again.")
    return tokenizer
