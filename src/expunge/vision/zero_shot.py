"""Models that tell pictures by words, CLIP and SigLIP: class names become the rows of a cosine head.

The text model runs once. What is left is an ordinary classifier: the image model, its pooling and projection, and a row
a class; a class is forgotten in the image model and struck from the head. Whoever has the text model makes the row
anew, so a report says so (`Wrapped.text_model`).

Logits are the model's own. CLIP's are cosines times a scale (Radford et al., arXiv 2103.00020, figure 3). SigLIP adds a
bias, the same for all classes (Zhai et al., arXiv 2303.15343, algorithm 1): it stays in the logits, so that their
sigmoids are SigLIP's probabilities, and neither the largest logit nor a softmax over the classes hangs on it.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from expunge.errors import HeadError
from expunge.vision._checkpoint import read_pretrained, refuse_missing
from expunge.vision._config import CLIP, SIGLIP, architectures
from expunge.vision._hub import FILES, locate
from expunge.vision._quiet import quiet
from expunge.vision._text_rows import TOKENIZER_FILES, load_tokenizer, text_rows
from expunge.vision.classifiers import CosineClassifier, HeadedBackbone
from expunge.vision.heads import CosFaceHead
from expunge.vision.model import VisionModel
from expunge.vision.preprocess import load_preprocess
from expunge.vision.prompts import TEMPLATES, Prompts, words_of


def load_zero_shot(
    source: str | Path, classes: Iterable[str] | Mapping[str, str], *, templates: Sequence[str] = TEMPLATES
) -> VisionModel:
    """Makes an image classifier of a CLIP or SigLIP and class names, on the CPU and in float32.

    A class's row is the mean of its sentences' embeddings, each of length 1, brought to length 1 again (Radford et al.,
    section 3.1.4).

    Args:
        source: A directory that `save_pretrained` of a `CLIPModel` or `SiglipModel` wrote, with the tokenizer and the
            image processor; or a Hub id.
        classes: Names of the classes, in the order of the logits; or name -> the words that the text model shall read.
        templates: Sentences with `{}` where the words go.

    Raises:
        HeadError: It is no such model.
        PromptError: Class names or templates cannot be used.
        DuplicateClassError: A class is named twice.
        ModelError: The model cannot be found, is unsafe to read, damaged, or lacks tokenizer or image processor.
        MissingExtraError: Its tokenizer needs a library that is not installed.
    """
    words = words_of(classes)
    folder = locate(source, (*FILES, *TOKENIZER_FILES))
    prompts = Prompts(folder.name if Path(source).is_dir() else str(source), tuple(templates))
    kind = next((name for name in architectures(folder) if name in (CLIP, SIGLIP)), None)
    if kind is None:
        came = ", ".join(architectures(folder)) or "nothing"
        raise HeadError(f"Expected {folder} to hold a {CLIP} or {SIGLIP}; its config.json names {came}.")
    preprocess, tokenizer = load_preprocess(folder), load_tokenizer(folder)
    with quiet():
        from transformers import AutoModel

    model, missing = read_pretrained(AutoModel, folder)
    refuse_missing(missing, folder)
    backbone, pooling = (_projected(model), "projected") if kind == CLIP else (model.vision_model, "pooler")
    rows = text_rows(model.eval(), tokenizer, words, prompts)
    classifier = CosineClassifier(rows.shape[1], len(rows), scale=model.logit_scale.exp().item())
    classifier.load_state_dict({"weight": rows, "bias": getattr(model, "logit_bias", torch.zeros(1)).expand(len(rows))})
    return VisionModel(
        HeadedBackbone(backbone, pooling, classifier, prompts),
        tuple(words),
        preprocess=preprocess,
        head=CosFaceHead(scale=classifier.scale, margin=0.0),
        name=prompts.model,
    )


def _projected(model: Any) -> nn.Module:
    """The image model of a CLIP with its projection, as transformers saves and loads it."""
    from transformers import CLIPVisionModelWithProjection

    config = copy.deepcopy(model.config.vision_config)
    config.projection_dim = model.config.projection_dim  # some published files say it of the whole model only
    with torch.device("meta"):
        tower = CLIPVisionModelWithProjection(config)
    tower.vision_model, tower.visual_projection = model.vision_model, model.visual_projection
    return tower
