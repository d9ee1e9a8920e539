"""The closed form: one ridge regression a block takes the class away and gives back what others lost by it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from expunge.adapters import Edit, Tuned, tuned
from expunge.data import Images
from expunge.methods._ridge import grouped_ridge, low_rank
from expunge.methods._settings import PositiveFraction, Settings
from expunge.methods._site_targets import SiteTarget, Target, find_site_targets
from expunge.methods._sites import Site, find_sites
from expunge.methods._states import SeenRows, States, states_of
from expunge.tasks import ForgetTask, Progress
from expunge.tasks.classification import Context
from expunge.vision import VisionModel

Depth = Literal["fast", "default", "thorough"]
"""Depth of an edit, from the last block down."""

DEPTHS: Mapping[Depth, float] = {"fast": 0.25, "default": 0.5, "thorough": 0.75}
"""The part of the blocks, from the last one down, that is edited."""


@dataclass(frozen=True)
class ClosedForm(Settings):
    """Moves each class's mean activation onto that of the classes that stay, block by block, and strikes its head row.

    At every site (the layer of a block that writes to the residual stream h, inputs x, position t) the change of
    weights minimises, with γ the layer's gain,

        E_forget ‖γ ΔW x − (μ_r,t − μ_c,t)‖² + w R/F E_retain ‖γ ΔW x − (h⁰ − h)‖² + λ ‖γ ΔW‖²

    over F forget and R retained classes of equal weight, where μ_c,t is the class's mean of h as it is now, μ_r,t the
    mean over the retained classes before the request, and h⁰ what the retained image was here then: later blocks, and
    further passes, give back what earlier ones took. Rows are drawn in proportion to how much the embedding hangs on
    their position. No weight has a gradient. Derivation, and what is approximated: docs/explanation/closed-form.md.

    Attributes:
        depth: How far down the edit reaches: "fast" (a quarter of the blocks), "default" (half), "thorough" (three
            quarters).
        weight: w, how much a retained class counts against a forget class.
        ridge: λ as a part of the mean diagonal of the moments, times inputs of the layer a state looked at: the fewer
            states, the less their moments are believed.
        passes: How many times the sites are gone through.
        states: Images, or states from the memory, that are looked at: of the forget and of the retained classes each.
        rows: Positions of an image that are looked at.
        energy: The part of each change's energy that the low-rank edit keeps.
        directions: The most directions that each change keeps for each class of the request; 0 for as many as the
            energy asks for. 3 makes requests of few classes many times smaller.
        half: Whether the edit's factors are kept in float16, in half the bytes.
    """

    name: ClassVar[str] = "closed-form"
    summary: ClassVar[str] = "move the class's mean activation onto what stays, by one ridge regression a block"
    source: ClassVar[str] = "expunge"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    uses_memory: ClassVar[bool] = True

    depth: Depth = "default"
    weight: PositiveFloat = 3.0
    ridge: PositiveFloat = 0.1
    passes: PositiveInt = 2
    states: PositiveInt = 1000
    rows: PositiveInt = 16
    energy: PositiveFraction = 0.999
    directions: NonNegativeInt = 0
    half: bool = False

    def first_block(self, model: VisionModel) -> int:
        """The lowest block edited.

        Raises:
            NoBlocksError: The model has none that can be edited.
        """
        model.refuse_fixed()
        blocks = len(model.blocks)
        return blocks - max(1, round(DEPTHS[self.depth] * blocks))

    @torch.no_grad()
    def forget(self, context: Context, task: ForgetTask[Images]) -> Edit:
        """Solves the blocks from the lowest up, `passes` times over."""
        states = states_of(context, task, self.states)
        with self.solved(context, *states) as weights:
            return self.edit(weights, task.targets)

    @contextmanager
    def solved(self, context: Context, forget: States, retain: States, target: Target | None = None) -> Iterator[Tuned]:
        """The sites' weights, open, after all solves; on leaving they are what they were.

        Args:
            context: The model and the seed.
            forget: States that enter the lowest edited block, of the classes that go.
            retain: The same of the classes that stay.
            target: Where each forget image's residual stream is to lie; by default each class's mean goes to that of
                the retained classes, from wherever it is.
        """
        model = context.model
        sites = find_sites(model, self.first_block(model))
        generator = torch.Generator().manual_seed(context.seed)
        aims = find_site_targets(model, sites, forget, retain, rows=self.rows, generator=generator, target=target)
        names = [f"{site.layer}.weight" for site in sites]
        with tuned(model.module, names) as weights:
            for number in range(self.passes):
                self._pass(model, aims, forget, retain, weights)
                context.report(Progress(number + 1, self.passes, f"{len(sites)} blocks solved"))
            yield weights

    def edit(self, weights: Tuned, targets: tuple[int, ...]) -> Edit:
        """Change of the weights as a low-rank edit that strikes the targets."""
        changes = {name: parameter - weights.before[name] for name, parameter in weights.parameters.items()}
        most = self.directions * len(targets)
        deltas = {
            name.removesuffix(".weight"): low_rank(change.flatten(1), self.energy, most).laid_out(change)
            for name, change in changes.items()
        }
        edit = Edit(deltas, masked=targets)
        return edit.half() if self.half else edit

    def _pass(
        self, model: VisionModel, aims: Mapping[Site, SiteTarget], forget: States, retain: States, weights: Tuned
    ) -> None:
        """Solves every site once, each on states that have run through the edits below it."""
        *_, last = aims
        for site, aim in aims.items():
            going, staying = forget.look(model, site, aim.forget), retain.look(model, site, aim.retain)
            change = self._solve(aim, going, staying, forget, retain, model.layer(site.layer).groups)
            weight = weights.parameters[f"{site.layer}.weight"]
            weight.add_(change.view_as(weight))
            if site is not last:
                forget = forget.after(model, site, going, change, aim.gain)
                retain = retain.after(model, site, staying, change, aim.gain)

    def _solve(
        self, aim: SiteTarget, going: SeenRows, staying: SeenRows, forget: States, retain: States, groups: int
    ) -> Float[Tensor, "out in"]:
        """The change of one site's weight, given what forget and retained states are there."""
        back = aim.before - staying.outputs
        balance = self.weight * len(retain.classes) / len(forget.classes)
        change = grouped_ridge(
            torch.cat([going.inputs, staying.inputs]),
            torch.cat([aim.away(going, forget), back]),
            torch.cat([aim.forget.counted(forget.shares), balance * aim.retain.counted(retain.shares)]),
            self.ridge * going.inputs.shape[-1] / groups / (len(forget) + len(retain)),
            groups,
        )
        return change.to(going.inputs.dtype) * aim.gain.inverse()[:, None]
