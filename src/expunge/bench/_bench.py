"""Bench for the cells of one suite, setting and seed: model, examples and reference views, prepared once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch

from expunge.adapters import EditStack
from expunge.bench._models import Kind, ModelStore, TrainedModel
from expunge.bench._results import FINETUNE, SCRATCH
from expunge.bench._stranger_bench import StrangerBench
from expunge.bench.benchmark import Benchmark, OracleTaken, Setting, Taken
from expunge.data import Splits
from expunge.evidence import Case, make_measure, take
from expunge.methods import Forgetting, Method, make_method, method_class
from expunge.tasks import Available, HeadRows, Observed, Plan, Task, Viewed, available, check_examples, find_task
from expunge.vision import Wrapped, choose_device

FORGETTING_SEEDS, EVALUATION_SEEDS = 1000, 2000
"""Training, forgetting and evaluation are seeded apart: seed s trains with s, forgets with 1000 + s, measures with
2000 + s."""

VALIDATION = 100
"""Validation examples a class that methods are given at the most."""


@dataclass(frozen=True)
class Bench:
    """One suite in one setting with one seed.

    Attributes:
        suite: The suite.
        setting: The setting.
        seed: The seed of all its cells.
        splits: The suite's examples.
        store: Trains and keeps its models.
        shared: What `Benchmark.shared` gave: a cache of the model that other benches of the process use, too.
    """

    suite: Benchmark
    setting: Setting
    seed: int
    splits: Splits[Any]
    store: ModelStore
    shared: Any = None

    @cached_property
    def task(self) -> Task[Any, Any]:
        """Task of the model."""
        return find_task(self.suite.task)

    @cached_property
    def model(self) -> Any:
        """The model before any request. Cells edit it and take their edits back."""
        return self.store.base(self.seed).to(choose_device()) if self.shared is None else self.shared.model

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
        """Device of the model."""
        return self.model.device

    def digest(self) -> str:
        """Digest of the weights of the model before any request; to be asked while it has no edit."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return self.model.digest()

    @cached_property
    def plan(self) -> Plan:
        """The requests."""
        plan = self.suite.plan(self.setting, self.classes, self.seed)
        check_examples(plan, self.splits.train, self.splits.test, self.task.thing)
        return plan

    @cached_property
    def data(self) -> Available[Any]:
        """Data that methods may see."""
        pool = replace(
            self.splits,
            train=self.suite.limited(self.splits.train, self.suite.pool, self.seed),
            validation=self.suite.limited(self.splits.validation, VALIDATION, self.seed),
        )
        return available(self.task, pool, self.plan, self.setting.budget, seed=FORGETTING_SEEDS + self.seed)

    @cached_property
    def attack(self) -> Any:
        """Examples that evidence may learn from: any but test examples."""
        both = self.splits.train + self.splits.validation
        return self.suite.limited(both, self.suite.attack, EVALUATION_SEEDS + self.seed)

    @cached_property
    def test(self) -> Any:
        """Test examples, which evidence counts."""
        return self.suite.limited(self.splits.test, self.suite.test, EVALUATION_SEEDS + self.seed)

    @cached_property
    def cache(self) -> Any:
        """Cached inputs of the first block of `model`, which no edit changes."""
        return self.activations(0) if self.shared is None else self.shared

    def activations(self, entry: int) -> Any:
        """Cached inputs of block `entry` of `model`, or of a lower one, of all examples that methods may see.

        Filled before the first method is timed, and shared by all that leave the blocks below alone: reading pictures
        and running what stays frozen costs every method the same, so it is counted for none.
        """
        entry = entry if self.shared is None else self.shared.entry
        if entry not in self._caches:
            cache: Any = self.shared
            if cache is None:
                cache = self.task.cache(self.model, entry, batch_size=self.suite.batch)
            named = [c for request in self.plan.requests for c in request]
            for examples in (self.data.forget.only(named), self.data.replay, self.data.validation):
                for batch in cache.batches(examples):
                    cache.hidden(examples, batch)
            self._caches[entry] = cache
        return self._caches[entry]

    @cached_property
    def _caches(self) -> dict[int, Any]:
        return {}

    @cached_property
    def original(self) -> Any:
        """The untouched model's view; ask for it before the first edit."""
        return self.view()

    @cached_property
    def rows(self) -> HeadRows:
        """The untouched model's head; ask for it before the first edit."""
        return HeadRows.of(self.model)

    @cached_property
    def strange(self) -> StrangerBench | None:
        """The suite's strangers, if it has any; ask for it before the first edit."""
        if self.suite.strangers is None:
            return None
        found = StrangerBench(self.suite, EVALUATION_SEEDS + self.seed, self.original.features, self.model)
        found.strangers  # noqa: B018 - seen before the first edit
        return found

    def view(self, model: Wrapped | None = None) -> Any:
        """The view of `model`, or of this bench's own as it is now."""
        return self._seen(self.cache if model is None else self.suite.cache(model, self.shared))

    def edited_view(self, entry: int, *, attack: bool) -> Any:
        """The view of this bench's model as it is now: what `view` gives, in less time.

        Only the blocks from `entry` on are run; those below have not been edited and are as the original's view shows
        them. Without `attack`, one example stands for those an attacker learns from: the rates need none of them.
        """
        if entry not in self._entered:
            self._entered[entry] = self.task.cache(self.model, entry)
        seen, original = self._seen(self._entered[entry], attack=attack), self.original
        return replace(
            seen, **{part: _whole(getattr(seen, part), getattr(original, part), entry) for part in ("attack", "test")}
        )

    @cached_property
    def _entered(self) -> dict[int, Any]:
        return {0: self.cache}

    def _seen(self, cache: Any, *, attack: bool = True) -> Any:
        seen: Any = self.task.view(cache, self.attack if attack else self.attack.select([0]), self.test)
        return replace(seen, attack=first_rows(seen.attack, self.suite.attack))

    def oracle(self, kind: Kind, number: int) -> TrainedModel:
        """The oracle for the time after request `number` (from 1)."""
        made = self.store.oracle(kind, self.plan.before(number), self.seed)
        return TrainedModel(made.model.to(choose_device()), made.seconds)

    def oracle_view(self, number: int) -> Any:
        """The view of `oracle-scratch` after request `number`; None where no measure asks for it."""
        if number not in self.suite.checkpoints:
            return None
        if number not in self._oracles:
            oracle = self.oracle(SCRATCH, number).model
            self._oracles[number] = self.view(oracle), oracle.digest()
        return self._oracles[number][0]

    @cached_property
    def _oracles(self) -> dict[int, tuple[Viewed, str]]:
        return {}

    @property
    def oracles(self) -> Mapping[int, str]:
        """Request -> digest of the weights of the oracle-scratch that readings were compared with so far."""
        return {number: digest for number, (_, digest) in self._oracles.items()}

    def case(self, number: int, view: Any, model: Wrapped | None = None) -> Case[Any, Any]:
        """Case for the measures after request `number`, for this bench's model or another one."""
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
            retain=plan.retained(number - 1, len(self.classes)),
            missing=plan.missing,
            seed=EVALUATION_SEEDS + self.seed,
            rows=HeadRows.of(model) if model else self.rows,
        )
        return self.strange.beside(case) if self.strange and number in self.suite.checkpoints else case

    @contextmanager
    def forgetting(self, method: str, settings: Mapping[str, object]) -> Iterator[Forgetting[Any]]:
        """The requests carried out by a method with its own settings and the suite's budget over them.

        The edits are taken back in the end.
        """
        self.original  # noqa: B018 - seen before the first edit
        self.rows  # noqa: B018 - likewise
        self.strange  # noqa: B018 - likewise
        made, stack = self.method(method, settings), EditStack(self.model)
        cache = self.activations(made.first_block(self.model))
        seed = FORGETTING_SEEDS + self.seed
        forgetting = Forgetting(stack, self.plan, made, self.data, seed=seed, activations=cache)
        try:
            forgetting.prepare()
            yield forgetting
        finally:
            while stack.edits:
                stack.undo()

    def method(self, name: str, settings: Mapping[str, object]) -> Method:
        """The method with its settings and those of the suite's budget that it has."""
        known = {field.name for field in fields(method_class(name, task=self.suite.task))}
        budget = {key: value for key, value in self.suite.budget.items() if key in known}
        return make_method(name, task=self.suite.task, settings={**settings, **budget})

    def of_original(self, number: int) -> Taken:
        """Figures of the untouched model after request `number`, from 1."""
        return self._taken(number, self.original)

    def of_edited(self, number: int, entry: int) -> Taken:
        """The same of the model as it is now; no block below `entry` has been edited."""
        return self._taken(number, self.edited_view(entry, attack=number in self.suite.checkpoints))

    def of_oracle(self, kind: str, number: int) -> OracleTaken:
        """The same of an oracle; `kind` is one of the suite's rows."""
        made = self.oracle(SCRATCH if kind == SCRATCH else FINETUNE, number)
        examples = self.suite.learnt(self.splits.train, self.plan.before(number))
        return OracleTaken(self._taken(number, self.view(made.model), made.model), examples, made.seconds)

    def _taken(self, number: int, view: Any, model: Wrapped | None = None) -> Taken:
        measures = (make_measure(name, task=self.suite.task) for name in self.suite.measures_after(number))
        return take(self.case(number, view, model), measures)


def first_rows(seen: Any, per_class: int) -> Any:
    """The first `per_class` images, or objects, of each class, order kept; 0 for all.

    Args:
        seen: What a model makes of them: `labels`, and `select` by rows.
        per_class: How many.
    """
    if not per_class:
        return seen
    places = [(seen.labels == label).nonzero()[:per_class, 0] for label in seen.labels.unique()]
    kept = torch.cat(places).sort().values
    return seen.select(kept) if len(kept) < len(seen) else seen


def _whole(seen: Any, untouched: Any, entry: int) -> Any:
    """A view from block `entry` on, completed by the layers below it as they were, where layers are looked at."""
    if not isinstance(seen, Observed):
        return seen
    below = tuple(layer[: len(seen)] for layer in untouched.layers[:entry])
    return replace(seen, layers=(*below, *seen.layers))
