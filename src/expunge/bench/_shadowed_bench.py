"""A bench with shadow models, for U-LiRA: the suite's own training run again, with the classes and without them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from expunge.bench._bench import Bench
from expunge.bench._models import Kind
from expunge.bench._results import FINETUNE
from expunge.bench.benchmark import OracleTaken
from expunge.evidence import Case, Shadows
from expunge.methods import Forgetting
from expunge.tasks import Observed
from expunge.vision import Wrapped

SHADOW_SEEDS = 3000
"""Shadow k is trained, and forgets, with the seeds of a bench of seed 3000 + k; all seeds of a suite share them."""


@dataclass(frozen=True)
class ShadowedBench(Bench):
    """A bench that also carries every request out on shadow models, by the same method with the same settings.

    What a method's shadows show after the request is set against shadows that never saw the classes. Those of
    oracle-finetune are fine-tuned as it was; those of the original and of oracle-scratch have forgotten nothing.
    """

    @cached_property
    def shadows(self) -> tuple[Bench, ...]:
        """One bench a shadow model, with a model and draws of its own."""
        seeds, store = range(SHADOW_SEEDS, SHADOW_SEEDS + self.suite.shadows), self.store.apart()
        return tuple(Bench(self.suite, self.setting, seed, self.splits, store) for seed in seeds)

    @contextmanager
    def forgetting(self, method: str, settings: Mapping[str, object]) -> Iterator[Forgetting[Any]]:
        """See `Bench.forgetting`. The shadows forget first, on no clock."""
        with self._shown(self._forgotten(method, settings)), super().forgetting(method, settings) as steps:
            yield steps

    def of_oracle(self, kind: str, number: int) -> OracleTaken:
        """See `Bench.of_oracle`."""
        shown = {number: self._trained(FINETUNE, number)} if kind == FINETUNE else {}
        with self._shown(shown):
            return super().of_oracle(kind, number)

    def case(self, number: int, view: Any, model: Wrapped | None = None) -> Case[Any, Any]:
        """The case of `Bench.case`, with shadows where all measures are taken."""
        case = super().case(number, view, model)
        if number not in self.suite.checkpoints:
            return case
        shadows = Shadows(self._now.get(number, self._untouched), self._never(number), self._members)
        return replace(case, shadows=shadows)

    @cached_property
    def _members(self) -> Tensor:
        learnt = {sample.name for sample in self.splits.train.samples}
        return torch.tensor([sample.name in learnt for sample in self.attack.samples])

    @cached_property
    def _now(self) -> dict[int, tuple[Observed, ...]]:
        """After request: what shadows of the row that is being measured show."""
        return {}

    @contextmanager
    def _shown(self, views: Mapping[int, tuple[Observed, ...]]) -> Iterator[None]:
        self._now.update(views)
        try:
            yield
        finally:
            self._now.clear()

    def _forgotten(self, method: str, settings: Mapping[str, object]) -> dict[int, tuple[Observed, ...]]:
        found: dict[int, list[Observed]] = {number: [] for number in self.suite.checkpoints}
        for shadow in self.shadows:
            with shadow.forgetting(method, settings) as steps:
                for number in range(1, max(self.suite.checkpoints) + 1):
                    steps.carry_out(number - 1)
                    if number in found:
                        found[number].append(self._answers(shadow.cache))
        return {number: tuple(views) for number, views in found.items()}

    @cached_property
    def _untouched(self) -> tuple[Observed, ...]:
        return self._all_seen(shadow.model for shadow in self.shadows)

    def _never(self, number: int) -> tuple[Observed, ...]:
        if number not in self._never_seen:
            self._never_seen[number] = self._trained("oracle-scratch", number)
        return self._never_seen[number]

    @cached_property
    def _never_seen(self) -> dict[int, tuple[Observed, ...]]:
        return {}

    def _trained(self, kind: Kind, number: int) -> tuple[Observed, ...]:
        return self._all_seen(shadow.oracle(kind, number).model for shadow in self.shadows)

    def _all_seen(self, models: Iterable[Wrapped]) -> tuple[Observed, ...]:
        return tuple(self._answers(self.suite.cache(model, self.shared)) for model in models)

    def _answers(self, cache: Any) -> Observed:
        """Answers of the model of `cache` to this bench's attack images; an attack on shadows looks at answers only."""
        return replace(self.task.observe(cache, self.attack), layers=())
