"""`zoo:faces`: a recogniser for the 40 people of ORL, on a DINOv2 ViT-S/14 backbone; `zoo:faces-30` for 30 of them.

The last blocks are fine-tuned with low-rank deltas and a CosFace head (Wang et al., arXiv 1801.09414), so that
knowledge of a person sits in the backbone and not in a head row alone. `recipe.py` trains what `checkpoint/` holds.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file

from expunge.adapters import EditStack, load_edit
from expunge.vision import CosFaceHead, CosineClassifier, HeadedBackbone, VisionModel, standard_preprocess
from expunge.zoo._dinov2 import dinov2_small
from expunge.zoo.orl import KNOWN, PEOPLE

IMAGE_SIZE = 112
TUNED_BLOCKS = 4
HEAD = CosFaceHead(scale=64.0, margin=0.35)
FOLDER = Path(__file__).parent / "checkpoint"
FOLDER_30 = Path(__file__).parent / "checkpoint-30"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as DINOv2 was trained with


def untrained_faces(people: tuple[str, ...] = PEOPLE, name: str = "zoo:faces") -> VisionModel:
    """The pre-trained backbone under a head of zeros: where the recipe starts."""
    classifier = CosineClassifier(384, len(people), scale=HEAD.scale)
    with torch.no_grad():
        classifier.weight.zero_()
    module = HeadedBackbone(dinov2_small(), "cls", classifier)
    preprocess = standard_preprocess(IMAGE_SIZE, mean=MEAN, std=STD)
    return VisionModel(module, people, preprocess=preprocess, head=HEAD, name=name)


def faces() -> VisionModel:
    """The trained recogniser of all 40 people.

    Raises:
        MissingExtraError: The backbone's package or `onnx` is not installed.
        CorruptWeightsError: The backbone is not the pinned one.
    """
    return _trained(untrained_faces(), FOLDER)


def faces_30() -> VisionModel:
    """The one trained on 30 people, to whom the 10 others are strangers; raises what `faces` does."""
    return _trained(untrained_faces(KNOWN, "zoo:faces-30"), FOLDER_30)


def _trained(model: VisionModel, folder: Path) -> VisionModel:
    EditStack(model).push(load_edit(folder))
    with torch.no_grad():
        head = model.module.get_submodule(model.head_name)
        head.get_parameter("weight").copy_(load_file(folder / "head.safetensors")["weight"])
    return model
