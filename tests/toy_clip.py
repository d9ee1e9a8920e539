"""A small CLIP and a small SigLIP that read the names of the toy's stripes, letter by letter."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch.nn import functional
from transformers import CLIPTokenizer

from tests.toy import CLASSES, SIZE, stripes

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,-"
LONGEST = 32
VISION: dict[str, Any] = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "image_size": SIZE,
    "patch_size": 8,
}
TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 2 * len(LETTERS) + 2,
    "max_position_embeddings": LONGEST,
    "bos_token_id": 2 * len(LETTERS),
    "eos_token_id": 2 * len(LETTERS) + 1,
    "pad_token_id": 2 * len(LETTERS) + 1,
}


def write_tokenizer(folder: Path) -> Path:
    """CLIP's tokenizer with letters for its words, as the files that CLIP comes with."""
    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    return folder


def clip() -> transformers.CLIPModel:
    """A CLIP of random weights."""
    config = transformers.CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=24)
    return transformers.CLIPModel(config).eval()


def siglip() -> transformers.SiglipModel:
    """A SigLIP of random weights. Image and sentence meet at the width of the image model."""
    text = {**TEXT, "hidden_size": VISION["hidden_size"]}
    return transformers.SiglipModel(transformers.SiglipConfig(vision_config=VISION, text_config=text)).eval()


def write(model: transformers.PreTrainedModel, folder: Path) -> Path:
    """Writes a model with tokenizer and image processor, as they are published."""
    model.save_pretrained(folder)
    write_tokenizer(folder)
    processor().save_pretrained(folder)
    return folder


def processor() -> Any:
    """Pictures as the toys take them."""
    return transformers.CLIPImageProcessorPil(
        size={"shortest_edge": SIZE},
        crop_size={"height": SIZE, "width": SIZE},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def write_trained(folder: Path, *, steps: int = 100, seed: int = 0) -> Path:
    """A CLIP whose two models have learned together which stripes go with which name."""
    torch.manual_seed(seed)
    write_tokenizer(folder)
    model, prepare, rng = clip(), processor(), np.random.default_rng(seed + 1)
    sentences = [f"a photo of a {name}." for name in CLASSES]
    words = CLIPTokenizer.from_pretrained(folder)(sentences, padding=True, return_tensors="pt")
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(steps):
        labels = rng.integers(0, len(CLASSES), 24)
        pixels = prepare(images=[stripes(int(label), rng) for label in labels], return_tensors="pt")["pixel_values"]
        loss = functional.cross_entropy(model(pixel_values=pixels, **words).logits_per_image, torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return write(model.eval(), folder)
