"""NegGrad+ for detectors: ascend on what the queries at the targets say, descend on the replay, with no bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from expunge.adapters import Edit, Tuned, tuned
from expunge.methods.comparison import refuse_negative
from expunge.methods.detection.fine_tuning import SceneFineTuning, block_parameters
from expunge.methods.detection.losses import answers_loss, retain_loss
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneObjective, SceneTask


@dataclass(frozen=True)
class NegGradPlus(SceneFineTuning):
    """L_retain - β · L_forget, the paper's α · L_retain - (1 - α) · L_forget with β = (1 - α) / α.

    Nothing bounds the ascent: as training goes on, the forget loss rises for ever, and the choice of the state on the
    validation scenes is what saves the detector. The paper has no detectors; L_forget is the set criterion of the
    queries that answer for an object, as in the other methods here. `bound`, which they share, has no effect.

    Attributes:
        beta: Weight of the ascent.
        clip: Largest Euclidean norm of the whole gradient, beyond which it is scaled down; 0 leaves it alone.
    """

    beta: float = 0.05
    clip: float = 0.0

    name: ClassVar[str] = "neg-grad+"
    summary: ClassVar[str] = "gradient ascent on forget scenes and descent on the replay, unbounded"
    source: ClassVar[str] = "Kurmanji et al., NeurIPS 2023, arXiv 2302.09880"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        super().__post_init__()
        refuse_negative(self, "clip")

    def objective(self, context: SceneContext, task: SceneTask, weights: Tuned) -> SceneObjective:
        """Loss on the replay minus the weighted loss on the forget scenes."""
        model = context.model

        def loss(retain: SceneBatch, forget: SceneBatch) -> Tensor:
            gone = answers_loss(model.criterion, forget.output, forget.targets)
            return retain_loss(model, retain) - self.beta * gone

        return loss

    def forget(self, context: SceneContext, task: SceneTask) -> Edit:
        """Trains the blocks and returns the change of the state that the validation scenes liked best."""
        names = block_parameters(context.model, self.first_block(context.model))
        with tuned(context.model.module, names) as weights:
            parameters = list(weights.parameters.values())

            def before_step() -> None:
                if self.clip:
                    torch.nn.utils.clip_grad_norm_(parameters, self.clip)

            self.fit(context, task, parameters, self.objective(context, task, weights), before_step=before_step)
            return weights.edit()
