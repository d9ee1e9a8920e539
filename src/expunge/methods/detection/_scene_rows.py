"""Scenes on their way up a detector, and what each of their positions is at one of the closed form's sites."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.data import Scenes
from expunge.methods._sites import Gain, Site, measured_gain
from expunge.vision.detection import DetectionModel, DetectionOutput, SceneCache, Target, locate, target_of

BATCH = 32
FEW = 4
"""Scenes that a gain is measured on."""


@dataclass(frozen=True, eq=False)
class SceneStates:
    """States of n scenes at a detector's cut below block `entry`, with their objects."""

    hidden: Float[Tensor, "n numbers"]
    targets: tuple[Target, ...]
    entry: int

    def __len__(self) -> int:
        return len(self.targets)

    def first(self, n: int) -> "SceneStates":
        """The first n of them."""
        return SceneStates(self.hidden[:n], self.targets[:n], self.entry)

    def batches(self) -> Iterator["SceneStates"]:
        """All of them, in batches."""
        for start in range(0, len(self), BATCH):
            yield SceneStates(self.hidden[start : start + BATCH], self.targets[start : start + BATCH], self.entry)

    def advanced(self, model: DetectionModel, to: int) -> "SceneStates":
        """The same scenes at the cut below block `to`, under the weights as they are."""
        rows = [model.advance(part.hidden, self.entry, to) for part in self.batches()]
        return SceneStates(torch.cat(rows), self.targets, to)


@dataclass(frozen=True, eq=False)
class Located:
    """The queries that stand at the objects of a batch or of all scenes, one row an object, in the objects' order.

    Attributes:
        scenes: Which scene.
        queries: Which query.
        labels: The object's class.
        objects: Which object of its scene.
    """

    scenes: Int[Tensor, " m"]
    queries: Int[Tensor, " m"]
    labels: Int[Tensor, " m"]
    objects: Int[Tensor, " m"]


@dataclass(frozen=True, eq=False)
class SceneSeen:
    """States of n scenes at a site.

    Attributes:
        inputs: What enters the Linear layer, at each of t positions: tokens of the encoder or queries of the decoder.
        outputs: The residual stream after the block.
        located: The queries at the objects.
    """

    inputs: Float[Tensor, "n t m"]
    outputs: Float[Tensor, "n t d"]
    located: Located


def states_of(cache: SceneCache, scenes: Scenes, most: int) -> SceneStates:
    """At most `most` scenes, evenly over their order, where a cache enters the detector."""
    rows = torch.linspace(0, len(scenes) - 1, min(most, len(scenes))).round().long().tolist()
    chosen = scenes.select(rows)
    hidden = torch.cat([cache.hidden(chosen, batch) for batch in cache.batches(chosen)])
    return SceneStates(hidden, tuple(target_of(scene) for scene in chosen.scenes), cache.entry)


def see(model: DetectionModel, site: Site, states: SceneStates) -> SceneSeen:
    """Runs the detector from the cut on, once."""
    inputs, outputs, where = [], [], []
    for number, part in enumerate(states.batches()):
        given, result, output = watch(model, site, part.hidden, part.entry)
        layer = model.layer(site.layer)
        inputs.append(layer.inputs(given, len(part)))
        outputs.append(layer.outputs(result, len(part)))
        where.append(located_in(output, part.targets, model, number * BATCH))
    return SceneSeen(torch.cat(inputs), torch.cat(outputs), joined(where))


def watch(
    model: DetectionModel, site: Site, hidden: Float[Tensor, "n numbers"], entry: int
) -> tuple[Tensor, Tensor, DetectionOutput]:
    """Input of a site's layer, output of its block, and the pass's own output, under the caller's grad mode."""
    layer, block = model.layer(site.layer), model.module.get_submodule(model.blocks[site.block].name)
    given: list[Tensor] = []
    results: list[object] = []
    hooks = [
        layer.module.register_forward_pre_hook(lambda module, entered: given.append(entered[0])),
        block.register_forward_hook(lambda module, entered, result: results.append(result)),
    ]
    try:
        output = model.resume(hidden, entry)
    finally:
        for hook in hooks:
            hook.remove()
    last = results[-1][0] if isinstance(results[-1], tuple) else results[-1]
    assert isinstance(last, Tensor)
    return given[-1], last, output


def scene_gain(model: DetectionModel, site: Site, states: SceneStates) -> Gain:
    """Gain from the layer's output to the block's; see `expunge.methods._sites.measured_gain`."""
    few = states.first(FEW)
    return measured_gain(model.layer(site.layer), lambda: see(model, site, few).outputs)


def located_in(output: DetectionOutput, targets: Sequence[Target], model: DetectionModel, first: int) -> Located:
    """The queries at the objects of a batch whose scenes are numbered from `first` on, by boxes alone."""
    matches = locate(output, targets, model)
    counts = torch.tensor([len(one.queries) for one in matches])
    return Located(
        scenes=torch.arange(first, first + len(matches)).repeat_interleave(counts),
        queries=torch.cat([one.queries for one in matches]),
        labels=torch.cat([target.labels[one.objects] for target, one in zip(targets, matches, strict=True)]),
        objects=torch.cat([one.objects for one in matches]),
    )


def joined(batches: Sequence[Located]) -> Located:
    """The queries at the objects of several batches, batch after batch."""
    columns = ([getattr(one, name) for one in batches] for name in ("scenes", "queries", "labels", "objects"))
    return Located(*(torch.cat(column) for column in columns))
