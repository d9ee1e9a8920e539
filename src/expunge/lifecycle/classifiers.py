"""Workspaces on a classifier."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch

from expunge.adapters import EditStack
from expunge.data import Splits, align
from expunge.evidence import make_measure, measure_names
from expunge.evidence.policy import Policy
from expunge.evidence.scorecard import Scorecard
from expunge.evidence.scorecard_groups import in_order
from expunge.ledger import DataFacts
from expunge.lifecycle.asked import Asked
from expunge.lifecycle.kind import Report, Share, Shares, wanted
from expunge.lifecycle.material import Material, gather
from expunge.lifecycle.remembered import lowest_block, recall, remembered_facts
from expunge.lifecycle.standing import Standing, classes_of
from expunge.lifecycle.strangers import classifier_strangers, lowest_kept, refuse_below
from expunge.methods import Method, make_method
from expunge.methods.sequence import Forgetting
from expunge.runs import read
from expunge.runs.measuring import Comparison, known_keys, measure_models
from expunge.tasks import Available
from expunge.tasks.classification.accuracy import accuracy_of, mask_classes
from expunge.tasks.plan import check_examples, make_plan
from expunge.values import Rate
from expunge.vision import ActivationCache, VisionModel
from expunge.workspace import Workspace

DATA_NAME = "images of the workspace"
STRANGERS_NAME = "strangers of the workspace"


class Classifiers:
    """The kind of model that gives an image one class; see `expunge.lifecycle.kind.Kind`."""

    task: ClassVar[Literal["detection"] | None] = None
    exports: ClassVar[bool] = True

    def keys(self) -> frozenset[str]:
        """Those of `expunge.measures`."""
        return known_keys()

    def make_method(self, asked: Asked) -> Method:
        """One of `expunge.methods`."""
        return make_method(asked.method, preset=asked.preset, settings=asked.settings)

    def lowest_block(self, workspace: Workspace, method: Method) -> int:
        """That of the memory, if the method reads one, or of the strangers' hidden states."""
        return max(lowest_block(workspace, method), lowest_kept(workspace))

    def gather(
        self,
        workspace: Workspace,
        requests: Sequence[str],
        gone: Sequence[str],
        classes: Sequence[str],
        data: str,
        seed: int,
    ) -> Material[Splits, Available]:
        """Images of the requests from the quarantine, all others from a folder."""
        return gather(workspace, requests, gone, classes, data, seed)

    def remembered(self, workspace: Workspace, method: Method, gone: Sequence[str]) -> tuple[DataFacts, ...]:
        """Statistics of classes that the method had in place of images."""
        return remembered_facts(workspace, method, gone)

    def forgetting(
        self,
        workspace: Workspace,
        model: VisionModel,
        base: Sequence[Standing],
        targets: Sequence[str],
        material: Material[Splits, Available],
        method: Method,
        seed: int,
    ) -> Forgetting:
        """The sequence on images, with the workspace's memory if the method reads it.

        Raises:
            ClassMemoryError: The memory is missing or damaged, or is not for this model or method.
            EvidenceError: The method edits what lies below the strangers' hidden states.
        """
        refuse_below(workspace, method.first_block(model), method.name)
        plan = make_plan(model.classes, [*(one.attempt.targets for one in base), targets])
        memory = recall(workspace, model, method, classes_of(base))
        parts, known = material.splits, memory.known if memory else ()
        check_examples(make_plan(model.classes, [targets]), parts.train, parts.test, remembered=known)
        return Forgetting(EditStack(model), plan, method, material.available, seed=seed, memory=memory)

    def states(self, model: VisionModel, entry: int) -> ActivationCache:
        """Hidden states of images."""
        return ActivationCache(model, entry)

    def measure(
        self,
        workspace: Workspace,
        original: VisionModel,
        edited: VisionModel,
        material: Material[Splits, Available],
        rules: Policy,
        *,
        targets: Sequence[str],
        earlier: Sequence[str],
        seed: int,
        report: Report,
    ) -> Scorecard:
        """What `measure_models` gives."""
        compared = Comparison(
            original=original,
            edited=edited,
            forgotten=tuple(targets),
            earlier=tuple(earlier),
            missing=material.missing,
            seed=seed,
        )
        measures = in_order(wanted(map(make_measure, measure_names()), rules))
        return measure_models(
            compared,
            material.splits,
            measures,
            data_name=DATA_NAME,
            partial=True,
            strangers=classifier_strangers(workspace),
            strangers_name=STRANGERS_NAME,
            report=report,
        )

    def shares(
        self, model: VisionModel, original: VisionModel, data: str, groups: Sequence[Sequence[int]], seed: int
    ) -> Shares:
        """Accuracies."""
        test = align(read(data, seed=seed), model.classes, partial=True).test
        labels = torch.tensor(test.labels, dtype=torch.int64)
        now, before = (ActivationCache(one).outputs(test).logits.float().cpu() for one in (model, original))
        gone = sorted({label for group in groups for label in group})
        kept = [label for label in range(len(model.classes)) if label not in gone]
        rates = [accuracy_of(logits, labels, kept) for logits in (now, before, mask_classes(before, gone))]
        each = [accuracy_of(now, labels, list(group)) for group in groups]
        return Shares(*map(_share, rates), earlier=tuple(map(_share, each)))


def _share(rate: Rate) -> Share:
    return Share(rate.percent, rate.n)
