"""The training that GS-LoRA and GS-LoRA++ share: fresh LoRA layers on frozen weights, pruned by groups.

`L = L_data + α · Σ_groups ‖group‖`, with α = 0 for a warm-up ("first learn to forget, then become sparse").
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from expunge.adapters import Edit, Grouping, attached, group_penalty, make_groups, proximal_step, to_edit
from expunge.methods._checks import refuse_empty
from expunge.methods._settings import Fraction
from expunge.methods.fine_tuning import C
from expunge.methods.training import Training, WeightAverage
from expunge.tasks import B, T


@dataclass(frozen=True)
class GroupSparse(Training, ABC, Generic[C, T, B]):
    """Settings and training common to the GS-LoRA family.

    Attributes:
        rank: Rank of every LoRA layer.
        lora_alpha: LoRA's alpha; the change is scaled by lora_alpha / rank.
        grouping: What one group is.
        beta: Weight of the bounded forget loss.
        bound: BND, the loss up to which what is forgotten is pushed; 0 derives it from the model's own loss.
        alpha: Strength of the sparsity, see `sparsity`.
        warmup: Fraction of the training without sparsity.
        sparsity: "proximal": after each step a group shrinks by lr · alpha · sqrt(its size), to exact zero; AdamW moves
            an entry by about lr a step, so a group lives if its entries keep moving one way by more than the fraction
            alpha of that. "subgradient": alpha times the sum of group norms is added to the loss, as published; no
            group ever becomes zero.
    """

    rank: PositiveInt = 8
    lora_alpha: PositiveFloat = 8.0
    grouping: Grouping = "block"
    beta: NonNegativeFloat = 0.25
    bound: NonNegativeFloat = 0.0
    alpha: NonNegativeFloat = 0.3
    warmup: Fraction = 0.1
    sparsity: Literal["proximal", "subgradient"] = "proximal"

    @abstractmethod
    def objective(self, context: C, task: T) -> Callable[[B, B], Tensor]:
        """(retain batch, forget batch) -> data loss of one request."""

    @abstractmethod
    def average(self, parameters: Sequence[Tensor]) -> WeightAverage | None:
        """A running average of the weights, or None to use the weights themselves."""

    def forget(self, context: C, task: T) -> Edit:
        """Trains one group-sparse edit and returns the state that the validation data liked best.

        Raises:
            MethodError: There is no image or scene of what is forgotten or of what stays.
        """
        refuse_empty(task)
        blocks = context.model.blocks[self.first_block(context.model) :]
        names = [name for block in blocks for name in block.linears]
        scale = self.lora_alpha / self.rank
        with attached(context.model.module, names, rank=self.rank, scale=scale, seed=context.seed) as layers:
            groups = make_groups(layers, blocks, self.grouping)
            parameters = [t for tensors in groups.values() for t in tensors]

            def penalty(done: float) -> Tensor | None:
                active = self.alpha and done > self.warmup and self.sparsity == "subgradient"
                return self.alpha * group_penalty(groups) if active else None

            def shrink(done: float, lr: float) -> None:
                if self.alpha and done > self.warmup and self.sparsity == "proximal":
                    proximal_step(groups, lr * self.alpha, by_size=True)

            self.fit(
                context,
                task,
                parameters,
                self.objective(context, task),
                penalty=penalty,
                after_step=shrink,
                average=self.average(parameters),
            )
            return to_edit(layers)
