"""The papers' 'Retrain': start the blocks anew and learn the replay. No oracle: it has no more scenes than others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from expunge.adapters import Edit, Tuned, tuned
from expunge.methods.detection.fine_tuning import SceneFineTuning, block_parameters
from expunge.methods.detection.losses import retain_loss
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneObjective, SceneTask
from expunge.methods.retrain import redraw


@dataclass(frozen=True)
class Retrain(SceneFineTuning):
    """L_retain alone, from blocks that were drawn anew, for as many steps on as small a replay as every other method.

    We draw the blocks of encoder and decoder anew, as it is their state that a request is about, and keep what is
    frozen for every method: the backbone, and the layers that make logits and boxes. Each tensor is drawn from a normal
    distribution with its own mean and deviation, as for classifiers. `beta` and `bound`, which the other methods share,
    have no effect here.
    """

    lr: float = 1e-3

    name: ClassVar[str] = "retrain"
    summary: ClassVar[str] = "draw encoder and decoder anew and train them on the small replay; not an oracle"
    source: ClassVar[str] = "Zhao et al., CVPR 2024, arXiv 2403.11530 (their baseline)"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"published": {"lr": 3e-4, "max_steps": 0}}
    needs_prototypes: ClassVar[bool] = False

    def objective(self, context: SceneContext, task: SceneTask, weights: Tuned) -> SceneObjective:
        """The set criterion on the replay; the forget batch plays no part."""

        def loss(retain: SceneBatch, forget: SceneBatch) -> Tensor:
            return retain_loss(context.model, retain)

        return loss

    def forget(self, context: SceneContext, task: SceneTask) -> Edit:
        """Draws the blocks anew, trains them, and returns the change of the state that validation liked best."""
        names = block_parameters(context.model, self.first_block(context.model))
        with tuned(context.model.module, names) as weights:
            parameters = list(weights.parameters.values())
            redraw(parameters, torch.Generator().manual_seed(context.seed))
            self.fit(context, task, parameters, self.objective(context, task, weights))
            return weights.edit()
