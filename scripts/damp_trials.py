"""How much DAMP forgets by what it edits, on validation images: `python scripts/damp_trials.py`.

We edit the FFNs and leave the classifier alone, as the comparison asks of all methods. The paper's "next learnable
operator" may mean attention and classifier too. The first request of `glyphs` and the second of `fashion`, as in
`scripts/tune.py`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn
from tune import GROUNDS, benches

from expunge.adapters import Edit, EditStack, LowRank
from expunge.bench._bench import Bench
from expunge.methods import make_method
from expunge.methods._layer_inputs import has_class_token, image_inputs
from expunge.methods.damp import forget_directions, projection, prototypes
from expunge.methods.sequence import Forgetting
from expunge.tasks.classification.accuracy import accuracy_of
from expunge.tasks.request import ForgetTask
from expunge.vision import ActivationCache, VisionModel


def layers(model: VisionModel, attention: bool) -> dict[str, float]:
    """Linear layers of the blocks, and the strength that their depth sets: the FFNs alone, or all."""
    found = {}
    for number, block in enumerate(model.blocks, start=1):
        inside = model.module.get_submodule(block.name).named_modules()
        every = [f"{block.name}.{name}" for name, layer in inside if isinstance(layer, nn.Linear)]
        found |= dict.fromkeys(every if attention else block.linears, number / len(model.blocks))
    return found


def edit(cache: ActivationCache, task: ForgetTask, *, attention: bool, head: bool) -> tuple[Edit, int]:
    """DAMP's projections with the depth's strength alone, and how many directions the classifier's input has."""
    model, strengths = cache.model, layers(cache.model, attention)
    labels = [torch.tensor(images.labels) for images in (task.forget, task.retain)]

    def directions(forget: torch.Tensor, retain: torch.Tensor) -> torch.Tensor:
        return forget_directions(prototypes(forget, labels[0]), prototypes(retain, labels[1]))

    ours, theirs = (
        image_inputs(cache, images, list(strengths), class_token=has_class_token(model))
        for images in (task.forget, task.retain)
    )
    last = directions(*(cache.outputs(images).embedding.double() for images in (task.forget, task.retain)))
    deltas: dict[str, LowRank] = {}
    for name, strength in strengths.items():
        found = directions(ours[name], theirs[name])
        if found.shape[1]:
            deltas[name] = projection(model.linear(name).weight, found, strength)
    if head and last.shape[1]:
        deltas[model.head_name] = projection(model.linear(model.head_name).weight, last, 1.0)
    return Edit(deltas=deltas), last.shape[1]


def trial(bench: Bench, attention: bool, head: bool) -> Sequence[object]:
    """Acc_f and Acc_r on validation images, and the directions of the classifier's input."""
    images, stack = bench.data.validation, EditStack(bench.model)
    labels, targets = torch.tensor(images.labels), bench.requests[0]
    forgetting = Forgetting(stack, bench.plan, make_method("damp"), bench.data, activations=bench.activations(0))
    made, count = edit(forgetting.activations, forgetting.task(0), attention=attention, head=head)
    stack.push(made)
    logits = bench.cache.outputs(images).logits
    stack.undo()
    rates = (accuracy_of(logits, labels, kind) for kind in (targets, set(images.labels) - set(targets)))
    return [f"{rate.percent:.1f} (n={rate.n})" for rate in rates] + [count]


def main() -> None:
    """Prints one row a suite and variant."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        for name, bench in benches(GROUNDS["small"], Path(folder)).items():
            for attention in (False, True):
                for head in (False, True):
                    what = "FFNs" + ", attention" * attention + ", classifier" * head
                    gone, kept, count = trial(bench, attention, head)
                    sys.stdout.write(f"{name}: {what}: Acc_f {gone}, Acc_r {kept}; {count} directions at the end\n")


if __name__ == "__main__":
    main()
