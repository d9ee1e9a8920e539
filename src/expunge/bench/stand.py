"""Where the cells of one suite, setting and seed are run: model, images and reference views, prepared once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import torch

from expunge.adapters import EditStack
from expunge.bench.benchmark import OracleTaken, Taken
from expunge.bench.models import Kind, Made, ModelStore
from expunge.bench.oracle_views import OracleViews
from expunge.bench.results import FINETUNE, SCRATCH
from expunge.bench.strange import StrangeStand
from expunge.bench.suite import Setting, Suite, limited
from expunge.data import Images, Splits
from expunge.evidence import Case, make_measure
from expunge.evidence.protocol import take
from expunge.methods import Method, make_method, method_class
from expunge.methods.sequence import Forgetting
from expunge.tasks import Available, available, task_of
from expunge.tasks.classification.views import observe
from expunge.tasks.plan import Plan, check_examples
from expunge.tasks.rows import HeadRows
from expunge.tasks.views import Observed, View
from expunge.vision import ActivationCache, VisionModel, choose_device

FORGETTING_SEEDS, EVALUATION_SEEDS = 1000, 2000
"""Training, forgetting and evaluation are seeded apart: seed s trains with s, forgets with 1000 + s, measures with
2000 + s."""

VALIDATION = 100
"""Validation images a class that methods are given at the most."""


@dataclass(frozen=True)
class Stand:
    """One suite in one setting with one seed.

    Attributes:
        suite: The suite.
        setting: The setting.
        seed: The seed of all its cells.
        splits: The suite's images.
        store: Trains and keeps its models.
    """

    suite: Suite
    setting: Setting
    seed: int
    splits: Splits
    store: ModelStore

    @cached_property
    def model(self) -> VisionModel:
        """The model before any request. Cells edit it and take their edits back."""
        return self.store.base(self.seed).to(choose_device())

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes."""
        return self.splits.classes

    @property
    def requests(self) -> tuple[tuple[int, ...], ...]:
        """Classes of each request, in order."""
        return self.plan.requests

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    def digest(self) -> str:
        """See `CellStand.digest`."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return self.model.digest()

    @property
    def oracles(self) -> Mapping[int, str]:
        """See `CellStand.oracles`."""
        return self._oracle_views.digests

    @cached_property
    def plan(self) -> Plan:
        """The requests."""
        plan = self.suite.plan(self.setting, self.splits.classes, self.seed)
        check_examples(plan, self.splits.train, self.splits.test)
        return plan

    @cached_property
    def data(self) -> Available[Images]:
        """What methods may see."""
        pool = replace(
            self.splits,
            train=limited(self.splits.train, self.suite.pool, self.seed),
            validation=limited(self.splits.validation, VALIDATION, self.seed),
        )
        budget, seed = self.setting.budget, FORGETTING_SEEDS + self.seed
        return available(task_of(self.model), pool, self.plan, budget, seed=seed)

    @cached_property
    def attack(self) -> Images:
        """What evidence may learn from: anything but test images."""
        first, second = self.splits.train, self.splits.validation
        both = first + second
        return limited(both, self.suite.attack, EVALUATION_SEEDS + self.seed)

    @cached_property
    def test(self) -> Images:
        """What evidence counts."""
        return limited(self.splits.test, self.suite.test, EVALUATION_SEEDS + self.seed)

    @cached_property
    def cache(self) -> ActivationCache:
        """What enters the first block of `model`, which no edit changes."""
        return self.activations(0)

    def activations(self, entry: int) -> ActivationCache:
        """What enters block `entry` of `model`, of all images that methods may see.

        Filled before the first method is timed, and shared by all that leave the blocks below alone: reading images and
        running what stays frozen costs every method the same, so it is counted for none.
        """
        if entry not in self._caches:
            cache = self._caches[entry] = ActivationCache(self.model, entry, batch_size=250)
            named = [c for request in self.plan.requests for c in request]
            for images in (self.data.forget.only(named), self.data.replay, self.data.validation):
                for batch in cache.batches(images):
                    cache.hidden(images, batch)
        return self._caches[entry]

    @cached_property
    def _caches(self) -> dict[int, ActivationCache]:
        return {}

    @cached_property
    def original(self) -> View:
        """The untouched model's view; ask for it before the first edit."""
        return self.view()

    @cached_property
    def rows(self) -> HeadRows:
        """The untouched model's head; ask for it before the first edit."""
        return HeadRows.of(self.model)

    @cached_property
    def strange(self) -> StrangeStand | None:
        """The suite's strangers, if it has any; ask for it before the first edit."""
        if self.suite.strangers is None:
            return None
        found = StrangeStand(self.suite, EVALUATION_SEEDS + self.seed, self.original, self.model)
        found.strangers  # noqa: B018 - seen before the first edit
        return found

    def view(self, model: VisionModel | None = None) -> View:
        """The view of `model`, or of this stand's own as it is now."""
        cache = self.cache if model is None else ActivationCache(model)
        return View(observe(cache, self.attack), observe(cache, self.test))

    def edited_view(self, entry: int, *, attack: bool) -> View:
        """The view of this stand's model as it is now: what `view` gives, in less time.

        Only the blocks from `entry` on are run; those below have not been edited and are as the original's view shows
        them. Without `attack`, one image stands for those an attacker learns from: accuracy needs none of them.
        """
        rows = torch.arange(len(self.attack) if attack else 1)
        return View(
            self._seen_above(entry, self.attack.select(rows.tolist()), self.original.attack.select(rows)),
            self._seen_above(entry, self.test, self.original.test),
        )

    def _seen_above(self, entry: int, images: Images, untouched: Observed) -> Observed:
        if entry not in self._entered:
            self._entered[entry] = ActivationCache(self.model, entry)
        seen = observe(self._entered[entry], images)
        return replace(seen, layers=(*untouched.layers[:entry], *seen.layers))

    @cached_property
    def _entered(self) -> dict[int, ActivationCache]:
        return {0: self.cache}

    def oracle(self, kind: Kind, number: int) -> Made:
        """The oracle for the time after request `number` (from 1)."""
        made = self.store.oracle(kind, self.plan.before(number), self.seed)
        return Made(made.model.to(choose_device()), made.seconds)

    def oracle_view(self, number: int) -> View | None:
        """The view of `oracle-scratch` after request `number`; None where no measure asks for it."""
        return self._oracle_views.after(number) if number in self.suite.checkpoints else None

    @cached_property
    def _oracle_views(self) -> OracleViews[View]:
        return OracleViews(self._look_at_oracle)

    def _look_at_oracle(self, number: int) -> tuple[View, str]:
        oracle = self.oracle(SCRATCH, number).model
        return self.view(oracle), oracle.digest()

    def case(self, number: int, view: View, model: VisionModel | None = None) -> Case:
        """What measures are given after request `number`, for this stand's model or another one."""
        plan = self.plan
        case = Case(
            model=model or self.model,
            view=view,
            original=self.original,
            oracle=self.oracle_view(number),
            attack=self.attack,
            test=self.test,
            forget=plan.requests[number - 1],
            earlier=plan.before(number - 1),
            retain=plan.retained(number - 1, len(self.splits.classes)),
            missing=plan.missing,
            seed=EVALUATION_SEEDS + self.seed,
            rows=HeadRows.of(model) if model else self.rows,
        )
        return self.strange.beside(case) if self.strange and number in self.suite.checkpoints else case

    @contextmanager
    def forgetting(self, method: str, settings: Mapping[str, object]) -> Iterator[Forgetting]:
        """See `CellStand.forgetting`."""
        self.original  # noqa: B018 - seen before the first edit
        self.rows  # noqa: B018 - likewise
        self.strange  # noqa: B018 - likewise
        made, stack = budgeted(self, method, settings), EditStack(self.model)
        cache = self.activations(made.first_block(self.model))
        seed = FORGETTING_SEEDS + self.seed
        forgetting = Forgetting(stack, self.plan, made, self.data, seed=seed, activations=cache)
        try:
            forgetting.prepare()
            yield forgetting
        finally:
            while stack.edits:
                stack.undo()

    def of_original(self, number: int) -> Taken:
        """See `CellStand.of_original`."""
        return self._taken(number, self.original)

    def of_edited(self, number: int, entry: int) -> Taken:
        """See `CellStand.of_edited`."""
        return self._taken(number, self.edited_view(entry, attack=number in self.suite.checkpoints))

    def of_oracle(self, kind: str, number: int) -> OracleTaken:
        """See `CellStand.of_oracle`."""
        made = self.oracle(SCRATCH if kind == SCRATCH else FINETUNE, number)
        images = len(self.splits.train.without(self.plan.before(number)))
        return OracleTaken(self._taken(number, self.view(made.model), made.model), images, made.seconds)

    def _taken(self, number: int, view: View, model: VisionModel | None = None) -> Taken:
        return take(self.case(number, view, model), map(make_measure, self.suite.measures_after(number)))


def budgeted(stand: Stand, method: str, settings: Mapping[str, object]) -> Method:
    """The method with its settings and those of the suite's budget that it has."""
    known = {field.name for field in fields(method_class(method))}
    budget = {name: value for name, value in stand.suite.budget.items() if name in known}
    return make_method(method, settings={**settings, **budget})


def make_stand(suite: Suite, setting: str, seed: int, models: Path, splits: Splits) -> Stand:
    """A stand whose models are kept in the folder `models`, with shadow models if the suite has any.

    Base models are kept in the folder `bases` beside it.
    """
    from expunge.bench.shadows import ShadowedStand  # these stands are stands

    kind = ShadowedStand if suite.shadows else Stand
    store = ModelStore(models, suite, splits.train, models.parent / "bases")
    return kind(suite, suite.setting(setting), seed, splits, store)
