"""Prototypes of a detector: the mean feature of each class's matched queries."""

import torch

from expunge.data import Scenes
from expunge.memory import Prototypes, mean_embeddings
from expunge.vision.detection import SceneCache, matched, target_of


@torch.no_grad()
def prototypes_of(activations: SceneCache, *parts: Scenes) -> Prototypes:
    """The mean feature of each class's matched queries under the detector as it stands (arXiv 2501.09705, section 4).

    Args:
        activations: The detector.
        parts: Scenes whose boxes count.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    model, features, labels = activations.model, [], []
    for scenes in parts:
        for batch in activations.batches(scenes):
            output = activations.output(scenes, batch)
            targets = [target_of(scenes.scenes[i]) for i in batch]
            found = matched(output, targets, model.criterion.match(output, targets))
            features.append(found.features.float().cpu())
            labels.append(found.labels.cpu())
    return mean_embeddings(torch.cat(features), torch.cat(labels), len(model.classes))
