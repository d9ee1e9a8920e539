"""The polish: a few steps of Adam on weights that the closed form has solved, on hidden states at hand."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from expunge.methods._push import pushed, scatter
from expunge.methods._states import BATCH, States
from expunge.vision import Output, VisionModel


@dataclass(frozen=True, eq=False)
class Lesson:
    """States that enter the lowest edited block, and what the model is to make of them.

    Attributes:
        states: The states.
        answers: Probabilities of all classes.
        embedding: What the head is to be given.
    """

    states: States
    answers: Float[Tensor, "n c"]
    embedding: Float[Tensor, "n d"]

    def draw(self, size: int, generator: torch.Generator) -> "Lesson":
        """At most `size` of them, without one twice, every class with the same chance."""
        rows = torch.multinomial(self.states.shares.float().cpu(), min(size, len(self.states)), generator=generator)
        rows = rows.to(self.states.labels.device)
        states = States(self.states.hidden[rows], self.states.labels[rows])
        return Lesson(states, self.answers[rows], self.embedding[rows])


LEAST = 16
"""Few forget states are balanced by as many retained ones as if there were so many."""

EVEN = 3
"""So many retained classes for each that goes weigh as much as all that go; of more each keeps its weight. Else what
stays gives way a little in every request of a single class, and in fifty of them much: lab notes of 2026-11-30."""


SURE = 0.001
"""Where the solves leave classes that go so little, nothing is polished, whatever pushed states are given. On faces
a polish costs what stays, and the solves alone leave no name: lab notes of 2026-12-01."""


@dataclass(frozen=True)
class Polish:
    """Length and strength of the polish.

    The learning rate of a weight W (d × m) is rate · rms(W) / √m, falling to 0 in a straight line in each round: a step
    of Adam moves all entries alike, so what it adds to an output of size rms(W) · √m grows with m, and this keeps it
    the same part of it for layers of any width (Yang et al., arXiv 2203.03466, table 8).

    In each step forget states are first pushed to where the model gives classes that are to go more, see
    `expunge.methods._push`: few images do not show where others of their class lie. The mean of k images is known up to
    about 1 / √k of what one of them differs from it; so far they go.

    It ends after the first round in whose second half pushed states were given no more than `enough` of probability for
    classes that are to go, on average; and does not begin where the solves have brought that about, or have left states
    as they are no more than `SURE`.

    Attributes:
        rounds: Rounds at the most.
        steps: Steps of a round.
        rate: See above.
        size: Forget states a step, or all there are; of retained ones twice as many as are drawn, at least 2 · `LEAST`.
        enough: See above.
        reach: A state of a class of k is pushed by reach / √k of what retained states lie from their classes' means.
    """

    rounds: int
    steps: int
    rate: float
    size: int
    enough: float
    reach: float

    @torch.enable_grad()
    def __call__(
        self,
        model: VisionModel,
        entry: int,
        weights: Iterable[nn.Parameter],
        going: Lesson,
        staying: Lesson,
        gone: Sequence[int],
        generator: torch.Generator,
        report: Callable[[int, float], None],
    ) -> None:
        """Trains in place, on CE(answers of `going`) + w (CE(answers of `staying`) + ‖z − z⁰‖² of `staying`).

        The squared distance is taken as a part of the retained embeddings' variance; w is 1 up to `EVEN` retained
        classes for each that goes, and grows with them from there.

        Args:
            model: The model with the targets' head rows in place.
            entry: The block that the states enter.
            weights: What is trained; nothing else may ask for a gradient.
            going: Forget states. Only their answers are asked for.
            staying: Retained states.
            gone: Classes that go, or have gone.
            generator: Draws what goes into each step.
            report: Told the steps done and the loss.
        """
        groups = [{"params": [w], "lr": self.rate * rms(w) / w[0].numel() ** 0.5} for w in weights]
        optimizer = torch.optim.Adam(groups)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step % self.steps / self.steps)
        variance = spread(staying.embedding)
        held = max(1.0, len(staying.states.classes) / (EVEN * len(going.states.classes)))
        counts = going.states.labels.bincount()
        far = self.reach * scatter(staying.states)

        def push(lesson: Lesson) -> Lesson:
            distances = far / counts[lesson.states.labels].sqrt()
            return replace(lesson, states=pushed(model, entry, lesson.states, gone, distances)) if far else lesson

        def known(lesson: Lesson) -> float:
            return given(outputs_of(model, lesson.states, entry).logits, gone)

        some = going.draw(self.size, generator)
        if known(some) <= SURE or known(push(some)) <= self.enough:
            return
        for number in range(self.rounds):
            left = []
            for step in range(1, self.steps + 1):
                first = push(going.draw(self.size, generator))
                n = len(first.states)
                second = staying.draw(2 * max(n, LEAST), generator)
                output = model.resume(torch.cat([first.states.hidden, second.states.hidden]), entry)
                logits, kept = output.logits.float(), output.embedding[n:].float()
                loss = (
                    functional.cross_entropy(logits[:n], first.answers)
                    + held * functional.cross_entropy(logits[n:], second.answers)
                    + held * (kept - second.embedding.float()).square().mean() / variance
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                left.append(given(logits[:n].detach(), gone))
                report(number * self.steps + step, loss.item())
            late = left[self.steps // 2 :]
            if sum(late) <= self.enough * len(late):
                return


def given(logits: Float[Tensor, "n c"], classes: Sequence[int]) -> float:
    """The probability that is given to some classes, on average over images."""
    return float(logits.float().softmax(1)[:, list(classes)].sum(1).mean())


def spread(embedding: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """The variance of an embedding's entries over images, on average; never 0."""
    return embedding.float().var(0, correction=0).mean().clamp(min=torch.finfo(torch.float32).tiny)


def rms(weight: Tensor) -> float:
    """Root of the mean square of its entries."""
    return float(weight.detach().float().square().mean().sqrt())


@torch.no_grad()
def outputs_of(model: VisionModel, states: States, entry: int) -> Output:
    """Outputs of the model for states that enter block `entry`."""
    parts = [model.resume(hidden, entry) for hidden in states.hidden.split(BATCH)]
    return Output(torch.cat([part.embedding for part in parts]), torch.cat([part.logits for part in parts]))
