"""Values of a report. All rates are in percent; requests count from 1."""

from collections.abc import Mapping
from dataclasses import dataclass

from expunge.errors import EvidenceError
from expunge.evidence.metrics import Change, Metrics
from expunge.tasks import Answers, Example, ScenePicture


@dataclass(frozen=True, slots=True)
class ClassAccuracy:
    """Accuracy of one class; for a detector its AP50.

    Attributes:
        name: Name of the class.
        n: Number of its test images; for a detector, of its test objects.
        before: Accuracy of the original model.
        after: Accuracy after each request.
        forgotten_at: The request that forgets it; None if it stays.
    """

    name: str
    n: int
    before: float
    after: tuple[float, ...]
    forgotten_at: int | None


@dataclass(frozen=True, slots=True)
class GroupNorms:
    """Norms of the groups of each request's edit.

    Attributes:
        names: Names of the groups, in the order of the model.
        norms: One row a request, one norm a group; exactly 0.0 is a pruned group.
    """

    names: tuple[str, ...]
    norms: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report shows.

    Attributes:
        title: The headline.
        metrics: What `metrics.json` holds; at least one finished request.
        classes: Accuracy of every class.
        groups: Norms of the groups; without names where the method has no groups.
        examples: Sample images; may be empty.
        command: The command line that reproduces the run.
        environment: Versions and hardware, as the reader should see them.
        created: When the run ended, in ISO 8601.
        scenes: Test scenes with what a detector found in them; empty for a classifier.
        answers: What the detector says where forgotten objects are; there with `scenes`.
        forgotten: The rate on all classes forgotten so far, where it does not follow from those of the requests.

    Raises:
        EvidenceError: The parts do not speak of the same number of requests or groups.
    """

    title: str
    metrics: Metrics
    classes: tuple[ClassAccuracy, ...]
    groups: GroupNorms
    examples: tuple[Example, ...]
    command: str
    environment: Mapping[str, str]
    created: str
    scenes: tuple[ScenePicture, ...] = ()
    answers: Answers | None = None
    forgotten: Change | None = None

    def __post_init__(self) -> None:
        requests = len(self.metrics.requests)
        if not requests:
            raise EvidenceError("Expected at least one finished request to report on, got none.")
        for entry in self.classes:
            _expect(f"accuracies of class {entry.name!r}", requests, len(entry.after))
        if self.groups.names:
            _expect("rows of group norms", requests, len(self.groups.norms))
        for number, row in enumerate(self.groups.norms, start=1):
            _expect(f"group norms of request {number}", len(self.groups.names), len(row))
        if self.scenes and self.answers is None:
            raise EvidenceError("Expected what the detector answers beside its scenes, got none. Hand over both.")
        for scene in self.scenes:
            _expect(f"states of scene {scene.name!r}", requests + 1, len(scene.states))
        for example in self.examples:
            _expect(f"predictions for the image of {example.truth!r}", requests + 1, len(example.predictions))


def _expect(what: str, expected: int, came: int) -> None:
    if came != expected:
        raise EvidenceError(f"Expected {expected} {what}, got {came}. Report on finished requests only.")
