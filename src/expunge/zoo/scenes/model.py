"""The small detector of scenes as a `DetectionModel`: pictures go in, the frozen backbone's work included."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from expunge.errors import CorruptWeightsError
from expunge.vision.detection import DetectionModel, Origin, fixed_preprocess
from expunge.zoo.scenes.compose import SIDE
from expunge.zoo.scenes.cutouts import CLASSES
from expunge.zoo.scenes.detr import Detr
from expunge.zoo.scenes.features import MEAN, STD, backbone
from expunge.zoo.scenes.objective import CRITERION
from expunge.zoo.scenes.recipe import SceneRecipe

RECIPE = SceneRecipe()
"""Recipe of the shipped checkpoint."""

CHECKPOINT = Path(__file__).parent / "checkpoint" / "model.safetensors"
"""The detector without the backbone, in float16."""

NAME = "zoo:scenes"


@dataclass(frozen=True, slots=True)
class SceneOutput:
    """Output of a forward pass, under transformers' names.

    Attributes:
        logits: One number a class and query.
        pred_boxes: Centre and size as shares.
        encoder_last_hidden_state: The encoder's tokens, which can be handed over instead of being made again.
    """

    logits: Float[Tensor, "n q c"]
    pred_boxes: Float[Tensor, "n q 4"]
    encoder_last_hidden_state: Float[Tensor, "n t d"]


class SceneDetector(nn.Module):
    """Backbone and detector in one."""

    def __init__(self, backbone: nn.Module, detector: Detr) -> None:
        """Takes over a transformers backbone that gives feature maps of one size, and a detector of such maps."""
        super().__init__()
        self.backbone = backbone
        self.detector = detector

    def forward(self, pixel_values: Float[Tensor, "n 3 h w"], encoder_outputs: Any = None) -> SceneOutput:
        """Finds objects.

        Args:
            pixel_values: Normalised pictures, height and width multiples of the backbone's patch.
            encoder_outputs: Goes on from its `last_hidden_state` instead of running the encoder.
        """
        maps = self.backbone(pixel_values).feature_maps
        grid = (maps[0].shape[2], maps[0].shape[3])
        tokens = self.detector.encode(maps) if encoder_outputs is None else encoder_outputs.last_hidden_state
        proposals = self.detector.propose(tokens, grid)
        last = self.detector.decode(proposals, self.detector.best(proposals), grid)[-1]
        return SceneOutput(last.logits, last.boxes, tokens)


def scenes_detector(checkpoint: Path = CHECKPOINT, recipe: SceneRecipe = RECIPE) -> DetectionModel:
    """The trained detector of the 24 people in composed scenes.

    Args:
        checkpoint: Weights that `python -m expunge.zoo.scenes.train` wrote; the shipped ones by default.
        recipe: The recipe that it was trained with.

    Raises:
        CorruptWeightsError: The checkpoint, or the backbone's weights, are missing or damaged.
        MissingExtraError: The package with the backbone's weights, or `onnx`, is not installed.
    """
    return wrap(load_detr(checkpoint, recipe), recipe)


def load_detr(checkpoint: Path = CHECKPOINT, recipe: SceneRecipe = RECIPE) -> Detr:
    """The detector without its backbone, in float32, frozen.

    Raises:
        CorruptWeightsError: The checkpoint is missing or damaged, or of another shape.
    """
    with torch.device("meta"):
        detector = Detr(len(CLASSES), recipe.shape)
    try:
        weights = {name: value.float() for name, value in load_file(checkpoint).items()}
        detector.load_state_dict(weights, strict=True, assign=True)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise CorruptWeightsError(f"{checkpoint} cannot be read: {error}. Install expunge again.") from error
    return detector.eval().requires_grad_(False)


def wrap(detector: Detr, recipe: SceneRecipe = RECIPE, name: str = NAME) -> DetectionModel:
    """A detector, trained with a recipe, behind its backbone and with the preprocessing it was trained with.

    Raises:
        CorruptWeightsError: The backbone's weights are damaged.
        MissingExtraError: The package with the backbone's weights, or `onnx`, is not installed.
    """
    module = SceneDetector(backbone(recipe.layers), detector)
    preprocess = fixed_preprocess(SIDE, SIDE, MEAN, STD)
    origin = Origin(NAME, "detector")
    return DetectionModel(module, CLASSES, preprocess=preprocess, criterion=CRITERION, name=name, origin=origin)
