"""Strangers of a bench: their images, and how forgotten classes stand beside them in each model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from expunge.bench.benchmark import Benchmark
from expunge.evidence import Case, make_measure
from expunge.evidence.strangers import Alike, ByClass, Lineup, Strangers, alike, beside, line_up, refuse_shared
from expunge.tasks import View, task_of
from expunge.vision import Wrapped


@dataclass(frozen=True)
class StrangerBench:
    """The strangers of one suite and seed, beside the models of its bench.

    Attributes:
        suite: A suite that has strangers.
        seed: Seeds which of their images are taken, as many of a class as of the suite's own.
        original: What the untouched model makes of the suite's images.
        model: The untouched model, until the first edit.
    """

    suite: Benchmark
    seed: int
    original: View
    model: Wrapped

    @cached_property
    def strangers(self) -> Strangers:
        """Their images; to be asked for before the first edit.

        Raises:
            EvidenceError: One is among the suite's own classes or images.
        """
        assert self.suite.strangers is not None
        splits, suite = self.suite.strangers(), self.suite
        first, second = splits.train, splits.validation
        both = first + second
        found = Strangers(
            suite.limited(both, suite.attack, self.seed), suite.limited(splits.test, suite.test, self.seed)
        )
        found.refuse_known(self.model.classes)
        refuse_shared(self.original, self._seen_by_original(found))
        return found

    def beside(self, case: Case) -> Case:
        """The case with its model's forgotten classes beside the strangers."""
        strangers = self.strangers
        lineup = self._line_up(case, case.view.features, strangers.seen_by(*task_of(case.model).caches([case.model])))
        if lineup is None:
            return case
        original = self._line_up(case, self.original, self._seen_by_original(strangers))
        return replace(case, beside=beside(lineup, self.by_class, self._alike(lineup), original))

    def _line_up(self, case: Case, seen: View, strangers_seen: View) -> Lineup | None:
        return line_up(
            case.model,
            seen,
            (case.attack, case.test),
            self.strangers,
            strangers_seen,
            retain=case.retain,
            forgotten=case.forgotten,
            seed=case.seed,
        )

    def _seen_by_original(self, strangers: Strangers) -> View:
        """The untouched model's view of them, taken once, before the first edit."""
        if not self._seen:
            self._seen.append(strangers.seen_by(*task_of(self.model).caches([self.model])))
        return self._seen[0]

    @cached_property
    def _seen(self) -> list[View]:
        return []

    @cached_property
    def by_class(self) -> Sequence[ByClass]:
        """The suite's measures that have a value for each class, those that train models aside."""
        made = [make_measure(name, task=self.suite.task) for name in self.suite.measures()]
        return [one for one in made if isinstance(one, ByClass) and not one.slow]

    def _alike(self, lineup: Lineup) -> Alike | None:
        """Thumbnails hang on no model, so they are looked at once for each sequence of forgotten classes."""
        if lineup.forgotten not in self._looked_at:
            self._looked_at[lineup.forgotten] = alike(lineup)
        return self._looked_at[lineup.forgotten]

    @cached_property
    def _looked_at(self) -> dict[tuple[int, ...], Alike | None]:
        return {}
