"""Two models' answers to the same images: where they agree, what changed, and whether one is right more often.

Pure functions of logits. A and B are the models as the caller named them; A is the one served today.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from expunge.errors import EvidenceError, ModelError
from expunge.intervals import bootstrap_mean, wilson
from expunge.release.mcnemar import McNemar, mcnemar
from expunge.tasks.classification import accuracy, per_class
from expunge.values import Interval, Rate

SCHEMA = "expunge/serve-check/v1"


@dataclass(frozen=True, slots=True)
class Changed:
    """One image that the two models decide differently.

    Attributes:
        index: Its place among the images.
        a: Class that A ranks first.
        b: Class that B ranks first.
        sure_a: Probability that A gives its class, 0 to 1.
        sure_b: Probability that B gives its class.
        label: Its true class, where it is known.
    """

    index: int
    a: str
    b: str
    sure_a: float
    sure_b: float
    label: str | None


@dataclass(frozen=True, slots=True)
class ClassChange:
    """Change of one class.

    Attributes:
        name: Name of the class.
        a: Images that A puts into it.
        b: Images that B puts into it.
        both: Images that both put into it.
        right_a: A's accuracy on the images of this class, where labels are known.
        right_b: B's.
    """

    name: str
    a: int
    b: int
    both: int
    right_a: Rate | None = None
    right_b: Rate | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that two models' answers to the same images say.

    Attributes:
        agreement: On how many images both rank the same class first.
        interval: Its 95 % Wilson interval.
        changed: The other images, those first that A was surest of.
        classes: Classes that either model answers or an image bears, those first that changed most.
        confidence_a: Mean probability that A gives the class it ranks first, in percent.
        confidence_b: The same of B.
        confidence_change: 95 % bootstrap interval of B's mean minus A's, in points.
        right_a: A's accuracy, where labels are known.
        right_b: B's.
        mcnemar: Whether they differ in it.
    """

    agreement: Rate
    interval: Interval
    changed: tuple[Changed, ...]
    classes: tuple[ClassChange, ...]
    confidence_a: float
    confidence_b: float
    confidence_change: Interval
    right_a: Rate | None = None
    right_b: Rate | None = None
    mcnemar: McNemar | None = None

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        """This comparison as plain values; `names` are those of the images, in order."""
        values = asdict(self)
        for one in values["changed"]:
            one["image"] = names[one.pop("index")]
        return {"schema": SCHEMA, **values}


def compare(
    a: Float[Tensor, "n c"], b: Float[Tensor, "n c"], classes: Sequence[str], labels: Int[Tensor, " n"] | None = None
) -> Comparison:
    """Compares the logits of two models for the same images, with classes in the same order.

    Args:
        a: Logits of A.
        b: Logits of B.
        classes: Names of the classes.
        labels: True class of each image, where known.

    Raises:
        EvidenceError: There is no image.
        ModelError: A model answers with what is no number.
    """
    if not len(a):
        raise EvidenceError("Expected at least one image to compare two models on; got none.")
    if a.isnan().any() or b.isnan().any():
        raise ModelError("A model answers with NaN. It is damaged, or its images are.")
    sure_a, top_a = a.double().softmax(1).max(1)
    sure_b, top_b = b.double().softmax(1).max(1)
    same = top_a == top_b
    agreement = Rate(int(same.sum()), len(same))
    changed = [
        Changed(
            index=i,
            a=classes[int(top_a[i])],
            b=classes[int(top_b[i])],
            sure_a=float(sure_a[i]),
            sure_b=float(sure_b[i]),
            label=None if labels is None else classes[int(labels[i])],
        )
        for i in (~same).nonzero().flatten().tolist()
    ]
    tops = [_class(name, top_a == c, top_b == c) for c, name in enumerate(classes)]
    if labels is not None:
        rates = zip(*(per_class(logits, labels, len(classes)) for logits in (a, b)), strict=True)
        tops = [replace(one, right_a=ours, right_b=theirs) for one, (ours, theirs) in zip(tops, rates, strict=True)]
    return Comparison(
        agreement=agreement,
        interval=wilson(agreement.hits, agreement.n),
        changed=tuple(sorted(changed, key=lambda one: (-one.sure_a, one.index))),
        classes=tuple(sorted(filter(_appears, tops), key=lambda one: (one.both * 2 - one.a - one.b, one.name))),
        confidence_a=100 * float(sure_a.mean()),
        confidence_b=100 * float(sure_b.mean()),
        confidence_change=bootstrap_mean(100 * (sure_b - sure_a), seed=0, draws=1_000),
        right_a=None if labels is None else accuracy(a, labels),
        right_b=None if labels is None else accuracy(b, labels),
        mcnemar=None if labels is None else _discordant(a, b, labels),
    )


def _discordant(a: Tensor, b: Tensor, labels: Tensor) -> McNemar:
    pairs = [
        tuple(accuracy(logits[i : i + 1], labels[i : i + 1]).hits for logits in (a, b)) for i in range(len(labels))
    ]
    return mcnemar(pairs.count((1, 0)), pairs.count((0, 1)))


def _class(name: str, in_a: Tensor, in_b: Tensor) -> ClassChange:
    return ClassChange(name, int(in_a.sum()), int(in_b.sum()), int((in_a & in_b).sum()))


def _appears(one: ClassChange) -> bool:
    return bool(one.a or one.b or (one.right_a and one.right_a.n))
