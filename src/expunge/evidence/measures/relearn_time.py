"""Relearn time: how fast fine-tuning on a few images brings the forgotten classes back."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from expunge.adapters import tuned
from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.evidence.measures._readings import attackable
from expunge.evidence.measures._settings import Settings
from expunge.evidence.protocol import Case, Reading
from expunge.tasks.classification import accuracy, accuracy_of
from expunge.values import Rate
from expunge.vision import STRUCK_LOGIT, ActivationCache, VisionModel

Bound = Literal["at_most", "at_least", "unknown"]
"""Kind of bound that a number is which rests on steps at the cap: from one side only, or unknown."""


@dataclass(frozen=True)
class RelearnTime(Settings):
    """Fine-tunes the live model on a few attack images of the forgotten classes, and counts steps until they are back.

    Back means an accuracy on their test images of (1 - `alpha`) times the original's. The head's weight and bias and
    the last blocks are trained, with the model's own loss and Adam at a constant rate. A
    struck row (logit of -1e4 whatever the image) could not be brought back by any number of small steps, though an
    attacker overwrites it in an instant: such a row starts as the mean of the retained rows, in weight and bias, also
    where the bias is a buffer. A row that was left in the head stays as it is, which helps re-learning: a mask alone
    takes more steps than many an edit that leaves the row, so steps tell less between struck heads and others.
    The second row, "rows anew", is one that treats heads alike: there the rows of all forgotten classes start again as
    that mean, in every model, in the original and the oracles, too. What is compared is then what lies below the head.
    Where all of these rows were struck it is the same run, and is not done again.
    Everything is put back bit for bit. Images of retained classes take no part, so an
    accuracy that is back says nothing of what else the model still knows.

    The target is set by all test images and looked for on `judged` of them. Where there are more, the drawn ones may
    be easier or harder than all: steps then carry that draw, the same for all models of one case, and the original
    itself may need a few.

    The count is censored: a model that is not back before the `cap` has `cap` steps, and it is not known how many more
    it would take. See `steps_bound` and `anamnesis_bound`.

    Attributes:
        images: Attack images a class, drawn by the case's seed; all of them if there are fewer.
        batch_size: Images a step; all in every step if there are no more.
        judged: Test images at the most that say after each step whether the classes are back, drawn by the seed.
        alpha: How much of the original's accuracy may be lacking.
        cap: Steps at the most; the value is `cap` where the accuracy was not reached.
        blocks: How many of the last blocks are trained; 0 trains the head alone.
        lr: Adam's learning rate.
    """

    images: PositiveInt = 10
    batch_size: PositiveInt = 64
    judged: PositiveInt = 250
    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.05
    cap: PositiveInt = 100
    blocks: NonNegativeInt = 2
    lr: PositiveFloat = 1e-3

    name: ClassVar[str] = "relearn-time"
    summary: ClassVar[str] = "fine-tuning steps on a few images until the forgotten classes are back"
    source: ClassVar[str] = "Chundawat et al., arXiv 2201.05629 (Anamnesis Index); alpha as in ERASURE"
    slow: ClassVar[bool] = True
    labels: ClassVar[Mapping[str, str]] = {
        "relearn_time": "re-learn steps",
        "relearn_time_rows_alike": "re-learn steps, rows anew",
    }

    def missing(self, case: Case) -> str | None:
        """Needs attack and test images of a forgotten class, a retained class, and an original that knew something."""
        if not attackable(case):
            return "needs a forgotten class with attack images and test images"
        if not case.retain:
            return "needs a retained class"
        return None if self._target(case) > 0 else "needs an original that knew the forgotten classes"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Steps, without an interval: it is one run a row; repeat it with other seeds."""
        classes = attackable(case)
        test = _some(case.test.only(classes), self.judged, case.seed)
        few = _draw(case.attack, classes, self.images, case.seed)
        # What enters the blocks that are trained is the same in both runs, and is computed once.
        cache = ActivationCache(case.model, max(0, len(case.model.blocks) - max(1, self.blocks)))
        hopeless = tuple(_hopeless(case, classes))
        steps = {rows: self._steps(case, cache, rows, few, test) for rows in dict.fromkeys((hopeless, case.forgotten))}
        found = {"relearn_time": steps[hopeless], "relearn_time_rows_alike": steps[case.forgotten]}
        return tuple(Reading(key, float(value), "steps", len(test)) for key, value in found.items())

    def _target(self, case: Case) -> float:
        known = accuracy_of(case.original.test.logits, case.original.test.labels, attackable(case))
        return (1 - self.alpha) * known.percent

    def _steps(self, case: Case, cache: ActivationCache, anew: Sequence[int], few: Images, test: Images) -> int:
        """Steps until the classes are back, with the rows of `anew` started again."""
        with opened(case.model, self.blocks, anew, case.retain) as parameters:
            return self._tuned_for(case, cache, parameters, few, test)

    def _tuned_for(
        self, case: Case, cache: ActivationCache, parameters: Sequence[Tensor], few: Images, test: Images
    ) -> int:
        model, target = case.model, self._target(case)
        labels = torch.tensor(few.labels, device=model.device)
        hidden = cache.hidden(few, range(len(few)))
        optimizer = torch.optim.Adam(parameters, lr=self.lr)
        batches = shuffled(len(few), self.batch_size, case.seed)
        for step in range(self.cap):
            if reaches(cache, test, target):
                return step
            rows = next(batches)
            with torch.enable_grad():
                loss = model.loss(model.resume(hidden[rows], cache.entry).logits.float(), labels[rows])
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
        return self.cap


@torch.no_grad()
def reaches(cache: ActivationCache, test: Images, target: float) -> bool:
    """Whether accuracy on all of `test` is `target` percent or more; stops at the batch that rules it out."""
    right, unseen = 0, len(test)
    for batch in cache.batches(test):
        labels = torch.tensor([test.labels[i] for i in batch])
        right += accuracy(cache.output(test, batch).logits.float().cpu(), labels).hits
        unseen -= len(batch)
        if Rate(right + unseen, len(test)).percent < target:
            return False
    return True


def shuffled(n: int, size: int, seed: int) -> Iterator[Tensor]:
    """Endless batches of row numbers below `n`, reshuffled after each pass; a pass leaves out what fills no batch."""
    generator = torch.Generator().manual_seed(seed)
    size = min(size, n)
    while True:
        order = torch.randperm(n, generator=generator)
        yield from order[: n // size * size].split(size)


def anamnesis_index(steps_edited: float, steps_oracle: float) -> float:
    """AIN = (steps_edited + 0.01) / (steps_oracle + 0.01): 1 is as slow as the oracle; near 0, the class was hidden.

    Above 1 the edited model learns the class more slowly than one that never knew it, which marks the class, too. The
    0.01 keeps it defined where the oracle needs no step.

    Source: Chundawat et al., "Zero-Shot Machine Unlearning", arXiv 2201.05629, with steps for time as in ERASURE.

    Args:
        steps_edited: Steps that the edited model needed.
        steps_oracle: Steps that the oracle needed with the same settings.

    Raises:
        EvidenceError: A number of steps is below 0.
    """
    if min(steps_edited, steps_oracle) < 0:
        raise EvidenceError(f"Expected steps of 0 or more, got {steps_edited} and {steps_oracle}.")
    return (steps_edited + 0.01) / (steps_oracle + 0.01)


def steps_bound(steps: float, cap: int = RelearnTime.cap) -> Bound | None:
    """`at_least` where re-learning was stopped at the cap, which says nothing of how long it would have taken."""
    return "at_least" if steps >= cap else None


def anamnesis_bound(steps_edited: float, steps_oracle: float, cap: int = RelearnTime.cap) -> Bound | None:
    """Whether an anamnesis index is only a bound, because a number of steps in it is at the cap.

    With the oracle at the cap the index is at most what `anamnesis_index` says; with the edited model at the cap it is
    at least that; with both nothing is known of it.

    Args:
        steps_edited: Steps of the edited model.
        steps_oracle: Steps of the oracle.
        cap: Where both were stopped.

    Returns:
        None where the index is known.
    """
    return difference_bound(steps_bound(steps_edited, cap), steps_bound(steps_oracle, cap))


def difference_bound(first: Bound | None, second: Bound | None) -> Bound | None:
    """Bound on first − second, or on first / second of numbers above 0, given the bounds of the two."""
    turned: dict[Bound | None, Bound | None] = {"at_least": "at_most", "at_most": "at_least"}
    other = turned.get(second, second)
    if first is None or other is None:
        return first or other
    return first if first == other else "unknown"


@contextmanager
def opened(model: VisionModel, blocks: int, hopeless: Sequence[int], retain: Sequence[int]) -> Iterator[list[Tensor]]:
    """Opens the head and the last blocks for training, with the rows of `hopeless` classes made usable.

    Args:
        model: The live model; on leaving it is, bit for bit, what it was.
        blocks: How many of the last blocks to open.
        hopeless: Classes whose row starts again as the mean of the rows of `retain`.
        retain: At least one class.

    Yields:
        The parameters to train.
    """
    head = model.module.get_submodule(model.head_name)
    last = model.blocks[max(0, len(model.blocks) - blocks) :] if blocks else ()
    insides = (f"{model.head_name}.", *(f"{block.name}." for block in last))
    names = [name for name, _ in model.module.named_parameters() if name.startswith(insides)]
    with tuned(model.module, names) as weights, _kept(head):
        with torch.no_grad():
            for rows in (head.get_parameter("weight"), getattr(head, "bias", None)):
                if isinstance(rows, Tensor) and hopeless:
                    rows[list(hopeless)] = rows[list(retain)].mean(0)
        yield list(weights.parameters.values())


@contextmanager
def _kept(module: nn.Module) -> Iterator[None]:
    """Puts the module's buffers back on leaving; parameters are `tuned`'s concern."""
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                buffer.copy_(before[name])


def _hopeless(case: Case, classes: Sequence[int]) -> list[int]:
    """Classes whose logit is as good as struck on every attack image."""
    highest = case.view.attack.logits.amax(0)
    return [label for label in classes if not float(highest[label]) > STRUCK_LOGIT / 2]


def _draw(images: Images, classes: Sequence[int], count: int, seed: int) -> Images:
    generator = torch.Generator().manual_seed(seed)
    chosen: list[int] = []
    for label in classes:
        mine = [i for i, other in enumerate(images.labels) if other == label]
        chosen += [mine[i] for i in torch.randperm(len(mine), generator=generator)[:count].tolist()]
    return images.select(chosen)


def _some(images: Images, count: int, seed: int) -> Images:
    """At most `count` images, drawn by the seed, order kept."""
    if len(images) <= count:
        return images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images.select(sorted(order[:count].tolist()))
