"""Where the cells of a suite on detectors are run; what its backbone makes of scenes is computed once a process."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import torch

from expunge.adapters import EditStack
from expunge.bench.benchmark import OracleTaken, Setting, Taken
from expunge.bench.oracle_views import OracleViews
from expunge.bench.scenes.detectors import SceneSuite
from expunge.bench.scenes.store import DetectorStore
from expunge.bench.stand import EVALUATION_SEEDS, FORGETTING_SEEDS
from expunge.data import Scenes, Splits
from expunge.data.scene_views import draw_orders
from expunge.evidence import Case, make_measure
from expunge.evidence.protocol import take
from expunge.methods import Method, make_method, method_class
from expunge.methods.sequence import Forgetting
from expunge.tasks import available, task_of
from expunge.tasks.detection.views import DetectionView
from expunge.tasks.plan import Plan
from expunge.tasks.request import Available
from expunge.tasks.rows import HeadRows
from expunge.vision import choose_device
from expunge.vision.detection import DetectionModel
from expunge.vision.scene_states import BorrowedStates, Objects, SceneCache, look

BATCH = 16
"""Scenes that run together where nobody says how many."""


@dataclass(frozen=True)
class SceneStand:
    """One suite on detectors in one setting with one seed.

    Attributes:
        suite: The suite.
        setting: The setting.
        seed: The seed of all its cells.
        splits: The suite's scenes.
        cache: The detector before any request, and what enters its first block; shared by all stands of a process.
            Cells edit the detector and take their edits back.
        store: Trains and keeps its oracles.
    """

    suite: SceneSuite
    setting: Setting
    seed: int
    splits: Splits[Scenes]
    cache: SceneCache
    store: DetectorStore

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
        """Where the detector is."""
        return self.cache.model.device

    def digest(self) -> str:
        """See `CellStand.digest`."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return self.cache.model.digest()

    @property
    def oracles(self) -> Mapping[int, str]:
        """See `CellStand.oracles`."""
        return self._oracle_views.digests

    @cached_property
    def plan(self) -> Plan:
        """The requests."""
        return self.suite.plan(self.setting, self.classes, self.seed)

    @cached_property
    def data(self) -> Available[Scenes]:
        """What methods may see, its states computed: seconds count from there, as all methods need them alike."""
        budget, seed = self.setting.budget, FORGETTING_SEEDS + self.seed
        found = available(task_of(self.cache.model), self.splits, self.plan, budget, seed=seed)
        for scenes in (found.forget, found.replay, found.validation):
            for batch in self.cache.batches(scenes):
                self.cache.hidden(scenes, batch)
        return found

    @cached_property
    def attack(self) -> Scenes:
        """Scenes whose objects evidence may learn from: anything but test scenes."""
        first, second = self.splits.train, self.splits.validation
        both = first + second
        if not self.suite.attack:
            return both
        orders = draw_orders(both, EVALUATION_SEEDS + self.seed)
        return both.select(sorted({i for order in orders for i in order[: self.suite.attack]}))

    @cached_property
    def original(self) -> DetectionView:
        """The untouched detector's view; ask for it before the first edit."""
        return self.view(self.cache)

    @cached_property
    def rows(self) -> HeadRows:
        """The untouched detector's classifier; ask for it before the first edit."""
        return HeadRows.of(self.cache.model)

    def view(self, cache: SceneCache, *, attack: bool = True) -> DetectionView:
        """The view of the detector of `cache` as it is now.

        Without `attack`, one scene stands for those an attacker learns from: average precision needs none of them.
        """
        learned = look(cache, self.attack if attack else self.attack.select([0])).objects
        return DetectionView(
            attack=limited_objects(learned, self.suite.attack), test=look(cache, self.splits.test, features=True)
        )

    def oracle(self, number: int) -> tuple[SceneCache, float]:
        """The oracle for the time after request `number`, from 1, and the seconds of its training."""
        forgotten = [self.classes[c] for c in self.plan.before(number)]
        model, seconds = self.store.oracle(forgotten, self.seed)
        return BorrowedStates(model.to(choose_device()), self.cache), seconds

    def oracle_view(self, number: int) -> DetectionView | None:
        """The view of the oracle after request `number`; None where no measure asks for it."""
        return self._oracle_views.after(number) if number in self.suite.checkpoints else None

    @cached_property
    def _oracle_views(self) -> OracleViews[DetectionView]:
        return OracleViews(self._look_at_oracle)

    def _look_at_oracle(self, number: int) -> tuple[DetectionView, str]:
        oracle = self.oracle(number)[0]
        return self.view(oracle), oracle.model.digest()

    def case(
        self, number: int, view: DetectionView, oracle: DetectionModel | None = None
    ) -> Case[DetectionView, Scenes]:
        """What measures are given after request `number`: of this stand's own detector, or of an oracle."""
        plan = self.plan
        return Case(
            model=oracle or self.cache.model,
            view=view,
            original=self.original,
            oracle=self.oracle_view(number),
            attack=self.attack,
            test=self.splits.test,
            forget=plan.requests[number - 1],
            earlier=plan.before(number - 1),
            retain=plan.retained(number - 1, len(self.classes)),
            missing=plan.missing,
            seed=EVALUATION_SEEDS + self.seed,
            rows=HeadRows.of(oracle) if oracle else self.rows,
        )

    @contextmanager
    def forgetting(self, method: str, settings: Mapping[str, object]) -> Iterator[Forgetting]:
        """See `CellStand.forgetting`."""
        self.original  # noqa: B018 - seen before the first edit
        self.rows  # noqa: B018 - likewise
        made, stack = self.method(method, settings), EditStack(self.cache.model)
        seed = FORGETTING_SEEDS + self.seed
        forgetting = Forgetting(stack, self.plan, made, self.data, seed=seed, activations=self.cache)
        try:
            forgetting.prepare()
            yield forgetting
        finally:
            while stack.edits:
                stack.undo()

    def method(self, name: str, settings: Mapping[str, object]) -> Method:
        """The method with its settings and those of the suite's budget that it has."""
        known = {field.name for field in fields(method_class(name, task=DetectionModel.task))}
        budget = {key: value for key, value in self.suite.budget.items() if key in known}
        return make_method(name, task=DetectionModel.task, settings={**settings, **budget})

    def of_original(self, number: int) -> Taken:
        """See `CellStand.of_original`."""
        return self._taken(number, self.original)

    def of_edited(self, number: int, entry: int) -> Taken:
        """See `CellStand.of_edited`."""
        return self._taken(number, self.view(self.cache, attack=number in self.suite.checkpoints))

    def of_oracle(self, kind: str, number: int) -> OracleTaken:
        """See `CellStand.of_oracle`."""
        cache, seconds = self.oracle(number)
        return OracleTaken(self._taken(number, self.view(cache), cache.model), self.suite.scenes, seconds)

    def _taken(self, number: int, view: DetectionView, oracle: DetectionModel | None = None) -> Taken:
        measures = (make_measure(name, task="detection") for name in self.suite.measures_after(number))
        return take(self.case(number, view, oracle), measures)


def limited_objects(objects: Objects, per_class: int) -> Objects:
    """The first `per_class` objects of each class; 0 for all."""
    if not per_class:
        return objects
    places = [(objects.labels == label).nonzero()[:per_class, 0] for label in objects.labels.unique()]
    kept = torch.cat(places).sort().values
    return Objects(objects.features[kept], objects.logits[kept], objects.labels[kept], objects.scenes[kept])


def opened(suite: SceneSuite, models: Path) -> Callable[[str, int], SceneStand]:
    """Stands that share scenes, detector and states, and whose oracles are kept in the folder `models`."""
    splits, store = suite.load(), DetectorStore(models, suite)
    cache = SceneCache(suite.base().to(choose_device()), 0, batch_size=BATCH)
    return lambda setting, seed: SceneStand(suite, suite.setting(setting), seed, splits, cache, store)
