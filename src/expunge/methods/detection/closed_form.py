"""The closed form for detectors: the same ridge regression, on queries at objects and on the encoder's tokens."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from expunge.adapters import Edit, Tuned, tuned
from expunge.data import Scenes
from expunge.errors import MethodError
from expunge.methods._checks import refuse_empty
from expunge.methods._ridge import low_rank, ridge
from expunge.methods._settings import Fraction, PositiveFraction, Settings
from expunge.methods._sites import Gain, Site, find_sites
from expunge.methods.closed_form import Depth
from expunge.methods.detection._scene_rows import SceneSeen, SceneStates, scene_gain, see, states_of
from expunge.methods.detection._scene_targets import SceneTarget, query_target, token_target
from expunge.tasks import ForgetTask, Progress
from expunge.tasks.detection import SceneContext
from expunge.vision.detection import DetectionModel

DEPTHS: Mapping[Depth, float] = {"fast": 0.5, "default": 1.0, "thorough": 2.0}
"""Number of edited blocks, from the last one down, as a multiple of the decoder's."""


@dataclass(frozen=True)
class ClosedForm(Settings):
    """Moves the mean query of each class to between others and nothing, block by block, and strikes its head row.

    The twin of `expunge.methods.closed_form.ClosedForm`, with the mathematics in `docs/explanation/closed-form.md`.
    Where a block's positions are the decoder's queries, the rows of the regression are queries: those at objects of the
    class are moved, those at retained objects get back what they lost, known by their object and not by their number,
    and those at no object are held still. Where they are tokens, each counts by how much the queries at objects of a
    class hang on it. No gradient of weights is taken.

    Attributes:
        depth: How far down the edit reaches: half the decoder, the decoder, or the upper encoder as well.
        weight: What keeping one retained class counts, against forgetting one class.
        ridge: Strength of the ridge, times inputs over objects.
        passes: How many times the blocks are gone through.
        scenes: Retained scenes that are looked at, at the most; of the forgotten classes' as many.
        background: What holding queries at no object still counts, beside 1 for keeping those at objects.
        silence: How far the aim lies from the mean query of the classes that stay, 0, towards the mean query at no
            object, 1. At 0 objects of the class are found under other names; at 1 the class stands apart again.
        energy: The part of each change's energy that the low-rank edit keeps.
    """

    name: ClassVar[str] = "closed-form"
    summary: ClassVar[str] = "move the class's mean query to where others are, by one ridge regression a block"
    source: ClassVar[str] = "expunge"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("detection",)

    depth: Depth = "default"
    weight: PositiveFloat = 0.75
    ridge: PositiveFloat = 0.1
    passes: PositiveInt = 1
    scenes: PositiveInt = 256
    background: NonNegativeFloat = 1.0
    silence: Fraction = 0.3
    energy: PositiveFraction = 0.999

    def first_block(self, model: DetectionModel) -> int:
        """The lowest block edited."""
        blocks = len(model.blocks)
        decoder = len(model.decoder) or blocks // 2
        return blocks - min(blocks, max(1, round(DEPTHS[self.depth] * decoder)))

    @torch.no_grad()
    def forget(self, context: SceneContext, task: ForgetTask[Scenes]) -> Edit:
        """Solves the blocks from the lowest up, `passes` times over.

        Raises:
            MethodError: There is no scene, or no box, of what is forgotten or of what stays.
            MissingExtraError: scipy is not installed.
        """
        states = self.states(context, task)
        with self.solved(context, task, *states) as weights:
            return self.edit(weights, task.targets)

    def states(self, context: SceneContext, task: ForgetTask[Scenes]) -> tuple[SceneStates, SceneStates]:
        """Inputs of the lowest edited block: of scenes with what is forgotten, and of those that stay.

        Raises:
            MethodError: There is no scene, or no box, of one of the two.
        """
        refuse_empty(task)
        model, first = context.model, self.first_block(context.model)
        forget, retain = (
            states_of(context.activations, scenes, self.scenes).advanced(model, first)
            for scenes in (task.forget, task.retain)
        )
        _refuse_boxless(forget, retain)
        return forget, retain

    @contextmanager
    def solved(
        self, context: SceneContext, task: ForgetTask[Scenes], forget: SceneStates, retain: SceneStates
    ) -> Iterator[Tuned]:
        """The sites' weights, open, after all solves; on leaving they are what they were.

        Args:
            context: The detector and the seed.
            task: The request.
            forget: States that enter the lowest edited block, of scenes with what is forgotten.
            retain: The same of scenes that stay.
        """
        model = context.model
        sites = find_sites(model, self.first_block(model))
        aims = {site: self._aim(model, site, forget, retain, task=task, seed=context.seed) for site in sites}
        gains = {site: scene_gain(model, site, retain) for site in sites}
        with tuned(model.module, [f"{site.layer}.weight" for site in sites]) as weights:
            for number in range(self.passes):
                at = (forget, retain)
                with torch.no_grad():
                    for site in sites:
                        at = tuple(one.advanced(model, site.block) for one in at)
                        seen = [see(model, site, one) for one in at]
                        change = self._solve(aims[site], seen[0], seen[1], gains[site])
                        weights.parameters[f"{site.layer}.weight"].add_(change)
                context.report(Progress(number + 1, self.passes, f"{len(sites)} blocks solved"))
            yield weights

    def edit(self, weights: Tuned, targets: tuple[int, ...]) -> Edit:
        """Change of the weights as a low-rank edit that strikes the targets."""
        changes = {name: parameter - weights.before[name] for name, parameter in weights.parameters.items()}
        deltas = {name.removesuffix(".weight"): low_rank(change, self.energy) for name, change in changes.items()}
        return Edit(deltas, masked=targets)

    def _aim(
        self,
        model: DetectionModel,
        site: Site,
        forget: SceneStates,
        retain: SceneStates,
        *,
        task: ForgetTask[Scenes],
        seed: int,
    ) -> SceneTarget:
        if site.block in model.decoder:
            return query_target(see(model, site, retain), background=self.background, silence=self.silence)
        generator = torch.Generator().manual_seed(seed)
        return token_target(model, site, forget, retain, task.targets, generator=generator)

    def _solve(self, aim: SceneTarget, forget: SceneSeen, retain: SceneSeen, gain: Gain) -> Float[Tensor, "out in"]:
        """The change of one site's weight, given what forget and retained scenes are there."""
        away, back = aim.away(forget), aim.back(retain)
        objects = len(forget.located.labels) + len(retain.located.labels)
        balance = self.weight * len(retain.located.labels.unique()) / len(forget.located.labels.unique())
        change = ridge(
            torch.cat([away.inputs, back.inputs]),
            torch.cat([away.changes, back.changes]),
            torch.cat([away.weights, balance * back.weights]),
            self.ridge * away.inputs.shape[1] / objects,
        )
        return change.to(away.inputs.dtype) * gain.inverse()[:, None]


def _refuse_boxless(forget: SceneStates, retain: SceneStates) -> None:
    for states, what in ((forget, "is forgotten"), (retain, "stays")):
        if not any(len(target.labels) for target in states.targets):
            raise MethodError(f"no scene of what {what} holds a box: give at least one of each that does")
