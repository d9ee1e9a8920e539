"""DELETE: distil the teacher's own distribution with the forgotten classes cut out of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from expunge.adapters import Tuned
from expunge.data import Images
from expunge.methods.fine_tuning import FineTuning
from expunge.methods.scrub import distillation
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Batch, Context, Objective


@dataclass(frozen=True)
class DELETE(FineTuning):
    """KL(softmax(mask(z_teacher)) ‖ softmax(z_student)) on forget images; the mask sets forgotten logits to -inf.

    The loss needs no retained image, and gets none: the replay sets how many steps an epoch has, and retained
    validation images help to choose the state, as for every method. The mask covers all classes of the request and of
    earlier ones, so that an image of one target is not taught another. `beta` and `bound`, which the other methods
    share, have no effect here.
    """

    name: ClassVar[str] = "delete"
    summary: ClassVar[str] = "distil the teacher with the forgotten classes masked out, without retained data"
    source: ClassVar[str] = "Zhou et al., CVPR 2025, arXiv 2503.23751"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def objective(self, context: Context, task: ForgetTask[Images], weights: Tuned) -> Objective:
        """The divergence on the forget batch; the retain batch plays no part."""
        teacher, gone = context.teacher(task), (*task.targets, *task.forgotten)

        def loss(retain: Batch, forget: Batch) -> Tensor:
            return distillation(forget.output.logits, without_classes(teacher.output(forget).logits, gone))

        return loss


def without_classes(logits: Float[Tensor, "n c"], classes: tuple[int, ...]) -> Float[Tensor, "n c"]:
    """The logits with those of `classes` at -inf, so that a softmax shares everything among the others."""
    masked = logits.clone()
    masked[:, list(classes)] = float("-inf")
    return masked
