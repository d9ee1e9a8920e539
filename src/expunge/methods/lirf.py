"""LIRF, the half that forgets: the lower blocks unlearn, the upper ones stay and check."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional

from expunge.adapters import Edit, tuned
from expunge.data import Images, Sample
from expunge.methods._checks import refuse_empty
from expunge.methods.random_labels import Relabelling, staying
from expunge.methods.scrub import distillation
from expunge.methods.training import Training
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Batch, Context, Objective, output_as_trained
from expunge.values import Block
from expunge.vision import VisionModel


@dataclass(frozen=True)
class LIRF(Training):
    """w_c · L(x_f, y') - w_a · ‖a(x_f) - a_o(x_f)‖² + w_k · T² · KL(teacher ‖ student | staying) + w_r · L_retain.

    y' is a random class that stays, a(x) the attention of the last trained block, a_o the same before the request. The
    KL runs over the classes that stay, on forget images; the last term is the replay that the GS-LoRA papers add. As
    there, the lower half of the blocks is trained and the upper half serves teacher and student alike. LIRF's deposit
    module, a second network that keeps what was taken so that it can be given back, is left out: it has no gradient to
    the student, and a forgetting that keeps a copy is not what is asked for here. The weights are those of the released
    code; the attention's is restated for a sum over entries instead of a mean over 512 of them.

    Attributes:
        relabel: w_c, weight of the loss on relabelled forget images.
        attention: w_a, weight of the squared distance from the old attention, which is at most 2.
        preserve: w_k, weight of the divergence over the classes that stay.
        replay: w_r, weight of the loss on the replay.
        temperature: T of the divergence.
    """

    lr: float = 1e-3
    relabel: NonNegativeFloat = 0.9
    attention: NonNegativeFloat = 0.6
    preserve: NonNegativeFloat = 1.0
    replay: NonNegativeFloat = 5.0
    temperature: PositiveFloat = 10.0

    name: ClassVar[str] = "lirf"
    summary: ClassVar[str] = "lower blocks unlearn labels and attention, the teacher keeps the other classes in place"
    source: ClassVar[str] = "Ye et al., ECCV 2022, arXiv 2207.08224, as in Zhao et al., arXiv 2403.11530"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"published": {"lr": 1e-4}}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("classification",)

    def trained(self, model: VisionModel) -> tuple[Block, ...]:
        """The lower half of the blocks that may be edited, rounded up."""
        blocks = model.blocks[self.first_block(model) :]
        return blocks[: (len(blocks) + 1) // 2]

    def forget(self, context: Context, task: ForgetTask[Images]) -> Edit:
        """Trains the lower half and returns the change of the state that the validation split liked best.

        Raises:
            MethodError: There is no image of what is forgotten or of what stays.
        """
        refuse_empty(task)
        module, blocks = context.model.module, self.trained(context.model)
        insides = tuple(f"{block.name}." for block in blocks)
        names = [name for name, _ in module.named_parameters() if name.startswith(insides)]
        with tuned(module, names) as weights, watched(module.get_submodule(blocks[-1].name)) as seen:
            objective = self.objective(context, task, seen)
            self.fit(context, task, list(weights.parameters.values()), objective)
            return weights.edit()

    def objective(self, context: Context, task: ForgetTask[Images], seen: list[Tensor]) -> Objective:
        """The data loss for one request; `seen` takes up the attention of every forward pass, see `watched`."""
        model, teacher, kept = context.model, context.teacher(task), staying(task, len(context.model.classes))
        relabelling = Relabelling(task, len(model.classes), context.seed)
        before = OldAttention(context, task, seen)

        def loss(retain: Batch, forget: Batch) -> Tensor:
            # Whoever calls an objective has run the retain images before the forget images, in one pass or in several.
            now = torch.cat(seen)[-len(forget.labels) :].to(forget.labels.device)
            seen.clear()
            logits = forget.output.logits
            return (
                self.relabel * model.loss(logits, relabelling.labels(forget))
                - self.attention * (now - before.of(forget)).square().sum(dim=1).mean()
                + self.preserve
                * distillation(logits[:, kept], teacher.output(forget).logits[:, kept], self.temperature)
                + self.replay * model.loss(retain.output.logits, retain.labels)
            )

        return loss


class OldAttention:
    """The attention of the targets' images, frozen at the moment of creation, in the precision it is compared in."""

    def __init__(self, context: Context, task: ForgetTask[Images], seen: list[Tensor]):
        """Runs the model once over the forget images and the targets' validation images."""
        rows: list[Tensor] = []
        samples: list[Sample] = []
        cache = context.activations
        for images, trained in ((task.forget, True), (task.validation.only(task.targets), False)):
            for indices in cache.batches(images):
                seen.clear()
                with torch.no_grad():
                    _ = output_as_trained(cache, images, indices) if trained else cache.output(images, indices)
                rows.append(seen[-1].cpu())
                samples.extend(images.samples[i] for i in indices)
        seen.clear()
        self._rows = torch.cat(rows)
        self._index = {sample: row for row, sample in enumerate(samples)}

    def of(self, batch: Batch) -> Float[Tensor, "n d"]:
        """The old attention of the batch's images, on its device."""
        return self._rows[[self._index[sample] for sample in batch.samples]].to(batch.labels.device)


@contextmanager
def watched(block: nn.Module) -> Iterator[list[Tensor]]:
    """Yields a list that grows, while the context lasts, by the attention of each output of `block`."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        seen.append(attention_of(output[0] if isinstance(output, tuple) else output))

    handle = block.register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def attention_of(hidden: Float[Tensor, "n first *rest"]) -> Float[Tensor, "n d"]:
    """Squares averaged over the first dimension after the images, flattened and scaled to length one.

    Attention transfer of Zagoruyko and Komodakis (arXiv 1612.03928): channels of a feature map are averaged and its
    positions remain. The released code applies the same line to tokens, where it averages tokens and keeps channels. It
    then sets entries below 0.005 to zero; here they stay.
    """
    return functional.normalize(hidden.float().square().mean(dim=1).flatten(1), dim=1)
