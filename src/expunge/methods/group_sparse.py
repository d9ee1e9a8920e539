"""The training that GS-LoRA and GS-LoRA++ share: fresh LoRA layers on frozen weights, pruned by groups.

`L = L_data + α · Σ_groups ‖group‖`, with α = 0 for a warm-up ("first learn to forget, then become sparse"). AdamW with
a cosine schedule, one retain batch and one forget batch a step, an epoch being one pass over the retain set.
"""

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import torch
from torch import Tensor

from expunge.adapters import Edit, Grouping, attached, group_penalty, make_groups, proximal_step, to_edit
from expunge.adapters.groups import Groups
from expunge.errors import MethodError
from expunge.methods.average import WeightAverage
from expunge.methods.batches import paired_batches
from expunge.methods.protocol import Context, ForgetTask, Objective, Progress
from expunge.methods.selection import BestState
from expunge.vision import Output, VisionModel
from expunge.vision.device import autocast


@dataclass(frozen=True)
class GroupSparse(ABC):
    """Settings and training common to the GS-LoRA family.

    Attributes:
        rank: Rank of every LoRA layer.
        lora_alpha: LoRA's alpha; the change is scaled by lora_alpha / rank.
        grouping: What one group is.
        last_blocks: Edit only this many of the last blocks; 0 edits all.
        epochs: Passes over the retain set, unless `max_steps` ends the training before.
        max_steps: Steps at the most; 0 sets no limit.
        batch_size: Images of each kind a step.
        lr: Learning rate at the start.
        min_lr: Learning rate at the end of the cosine.
        weight_decay: AdamW's, decoupled.
        beta: Weight of the bounded forget loss.
        bound: BND, the loss up to which forget images are pushed; 0 derives it from the head.
        alpha: Strength of the sparsity, see `sparsity`.
        warmup: Fraction of the training without sparsity.
        sparsity: "proximal": after each step a group shrinks by lr · alpha · sqrt(its size), to exact zero; AdamW moves
            an entry by about lr a step, so a group lives if its entries keep moving one way by more than the fraction
            alpha of that. "subgradient": alpha times the sum of group norms is added to the loss, as published; no
            group ever becomes zero.
        validate_every: Epochs between looks at the validation split.
    """

    rank: int = 8
    lora_alpha: float = 8.0
    grouping: Grouping = "block"
    last_blocks: int = 0
    epochs: int = 30
    max_steps: int = 200
    batch_size: int = 16
    lr: float = 1e-2
    min_lr: float = 1e-5
    weight_decay: float = 0.05
    beta: float = 0.25
    bound: float = 0.0
    alpha: float = 0.3
    warmup: float = 0.1
    sparsity: Literal["proximal", "subgradient"] = "proximal"
    validate_every: int = 1

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        positive = ("rank", "lora_alpha", "epochs", "batch_size", "lr", "validate_every")
        for name in positive:
            if getattr(self, name) <= 0:
                raise MethodError(f"{name} must be greater than 0, got {getattr(self, name)}")
        if not 0 <= self.warmup <= 1:
            raise MethodError(f"warmup is a fraction of the training, 0 to 1, got {self.warmup}")
        if self.last_blocks < 0:
            raise MethodError(f"last_blocks must be 0 (all) or a number of blocks, got {self.last_blocks}")

    @abstractmethod
    def objective(self, context: Context, task: ForgetTask) -> Objective:
        """The data loss for one request."""

    @abstractmethod
    def average(self, parameters: Sequence[Tensor]) -> WeightAverage | None:
        """A running average of the weights, or None to use the weights themselves."""

    def first_block(self, model: VisionModel) -> int:
        """The lowest block edited."""
        return max(0, len(model.blocks) - self.last_blocks) if self.last_blocks else 0

    def forget(self, context: Context, task: ForgetTask) -> Edit:
        """Trains one group-sparse edit and returns the state that the validation split liked best."""
        blocks = context.model.blocks[self.first_block(context.model) :]
        names = [name for block in blocks for name in block.linears]
        scale = self.lora_alpha / self.rank
        with attached(context.model.module, names, rank=self.rank, scale=scale, seed=context.seed) as layers:
            groups = make_groups(layers, blocks, self.grouping)
            parameters = [t for tensors in groups.values() for t in tensors]
            self._train(context, task, groups, parameters)
            return to_edit(layers)

    def _train(self, context: Context, task: ForgetTask, groups: Groups, parameters: list[Tensor]) -> None:
        objective = self.objective(context, task)
        batches = paired_batches(len(task.retain), len(task.forget), self.batch_size, context.seed)
        per_epoch = max(1, math.ceil(len(task.retain) / self.batch_size))
        total = min(self.epochs * per_epoch, self.max_steps or sys.maxsize)
        optimizer = torch.optim.AdamW(parameters, lr=self.lr, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total, eta_min=self.min_lr)
        average = self.average(parameters)
        best = BestState(context.activations, task, parameters, objective)

        for done, (retain, forget) in enumerate(islice(batches, total), start=1):
            alpha = self.alpha if done > self.warmup * total else 0.0
            loss = self._loss(context, task, objective, retain, forget)
            self._step(loss, alpha, groups, optimizer, float(schedule.get_last_lr()[0]))
            schedule.step()
            epoch, rest = divmod(done, per_epoch)
            if average and rest == 0:
                average.update(done / total)
            if done == total or (rest == 0 and epoch % self.validate_every == 0):
                with average.applied() if average else nullcontext():
                    best.consider()
            context.report(Progress(done, total, f"loss {loss.item():.2f}"))
        best.restore()

    def _step(self, loss: Tensor, alpha: float, groups: Groups, optimizer: torch.optim.Optimizer, lr: float) -> None:
        """One step of AdamW, with the sparsity that `alpha` > 0 asks for."""
        if alpha and self.sparsity == "subgradient":
            loss = loss + alpha * group_penalty(groups)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if alpha and self.sparsity == "proximal":
            proximal_step(groups, lr * alpha, by_size=True)

    def _loss(
        self, context: Context, task: ForgetTask, objective: Objective, retain: list[int], forget: list[int]
    ) -> Tensor:
        """Runs both batches in one forward pass and applies the objective."""
        cache, device = context.activations, context.model.device
        hidden = torch.cat([cache.hidden(task.retain, retain), cache.hidden(task.forget, forget)])
        with autocast(device):
            both = context.model.resume(hidden, cache.entry)
        cut = len(retain)
        labels = [
            torch.tensor([images.labels[i] for i in indices], device=device)
            for images, indices in ((task.retain, retain), (task.forget, forget))
        ]
        first = Output(both.embedding[:cut].float(), both.logits[:cut].float())
        second = Output(both.embedding[cut:].float(), both.logits[cut:].float())
        return objective(first, labels[0], second, labels[1])
