"""Relearning by harmless fine-tuning: do the forgotten classes come back from training on classes that stay?"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from expunge.data import Images
from expunge.evidence.measures._readings import attackable, no_attack_on_images, rate_reading
from expunge.evidence.measures._settings import Settings
from expunge.evidence.measures.inversion import class_means
from expunge.evidence.measures.prototype_relearning import prototype_wins
from expunge.evidence.measures.relearn_time import opened, shuffled
from expunge.evidence.protocol import Case, Reading
from expunge.evidence.strangers.lineup import Lineup, Side
from expunge.intervals import bootstrap
from expunge.vision import ActivationCache, VisionModel


@dataclass(frozen=True)
class HarmlessTuning(Settings):
    """Fine-tunes the live model on attack images of retained classes alone, and asks if forgotten ones are nearer then.

    Whoever gets a model goes on training it on data of their own; an edit that only hides a class may wear off. The
    last blocks and the head's retained rows are trained with the model's own loss over the retained classes and Adam at
    a constant rate; no image of a forgotten class takes part, and rows of forgotten classes get no gradient. Before
    and after, a class is looked for as in `prototype-relearning`, with the same few images in every draw: the head
    plays no part in that, so struck rows and others are treated alike, and so are edited model, original and oracle.
    Everything is put back bit for bit.

    Attributes:
        images: How many attack images a prototype is made from.
        draws: How many times they are drawn; rates are means over draws.
        steps: Steps of fine-tuning.
        batch_size: Images a step.
        blocks: How many of the last blocks are trained, at least 1.
        lr: Adam's learning rate.
    """

    images: PositiveInt = 5
    draws: PositiveInt = 20
    steps: PositiveInt = 100
    batch_size: PositiveInt = 64
    blocks: PositiveInt = 2
    lr: PositiveFloat = 1e-3

    name: ClassVar[str] = "harmless-tuning"
    summary: ClassVar[str] = "how much of a class comes back by fine-tuning on other classes"
    source: ClassVar[str] = "as relearn-time, on the classes that stay; prototypes: Ha et al., arXiv 2506.01318"
    slow: ClassVar[bool] = True
    labels: ClassVar[Mapping[str, str]] = {
        "harmless_tuning_relearning": "prototype, 5 images, after tuning on others",
        "harmless_tuning_gain": "gain by tuning on others",
    }
    known_side: ClassVar[Mapping[str, Side]] = {"harmless_tuning_relearning": "above", "harmless_tuning_gain": "above"}

    def missing(self, case: Case) -> str | None:
        """Needs attack and test images of forgotten classes, enough for a prototype, and attack images to tune on."""
        if reason := no_attack_on_images(case):
            return reason
        counts = case.attack.counts()
        if min(counts[label] for label in attackable(case)) < self.images:
            return f"needs {self.images} attack images of each forgotten class"
        return None

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Re-learning after the tuning, and its gain over before in points, of the same images and prototypes."""
        before, after = self._wins(case.model, case.attack, case.test, attackable(case), case.retain, case.seed)
        was, now = torch.cat(before), torch.cat(after)
        gain = 100 * (now - was)
        mean, around = float(gain.mean()), bootstrap(len(gain), lambda rows: float(gain[rows].mean()), seed=case.seed)
        low, high = min(around.low, mean), max(around.high, mean)
        return (
            rate_reading("harmless_tuning_relearning", float(now.mean()), len(now)),
            Reading("harmless_tuning_gain", mean, "%", len(gain), low, high),
        )

    def by_class(self, lineup: Lineup) -> Mapping[str, Float[Tensor, " candidates"]]:
        """Both rates of each candidate, from 0 to 1 and from -1 to 1; nothing where a prototype lacks images."""
        (model, attack, test), classes = lineup.pictured(), lineup.candidates
        if min(attack.labels.count(label) for label in classes) < self.images:
            return {}
        before, after = self._wins(model, attack, test, classes, lineup.retain, lineup.seed)
        was, now = (torch.stack([one.mean() for one in wins]) for wins in (before, after))
        return {"harmless_tuning_relearning": now, "harmless_tuning_gain": now - was}

    def _wins(
        self, model: VisionModel, attack: Images, test: Images, classes: Sequence[int], retain: Sequence[int], seed: int
    ) -> tuple[list[Float[Tensor, " _"]], list[Float[Tensor, " _"]]]:
        """For each class and each of its test images the share of prototypes that win, before and after the tuning."""
        known = sorted(set(attack.labels).intersection(retain))
        cache = ActivationCache(model, max(0, len(model.blocks) - self.blocks))
        staying = attack.only(known)

        def look() -> list[Tensor]:
            rivals = class_means(_embeddings(cache, staying), torch.tensor(staying.labels), known)
            return [self._one(cache, attack.only([label]), test.only([label]), rivals, seed) for label in classes]

        before = look()
        with self._tuned(cache, staying, known, seed):
            return before, look()

    def _one(self, cache: ActivationCache, attack: Images, test: Images, rivals: Tensor, seed: int) -> Tensor:
        """Every class draws by the same numbers, whatever its place among the others."""
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.stack(
            [torch.randperm(len(attack), generator=generator)[: self.images] for _ in range(self.draws)]
        )
        candidates = _embeddings(cache, attack)[drawn].mean(1)
        return prototype_wins(_embeddings(cache, test), candidates, rivals)

    @contextmanager
    def _tuned(self, cache: ActivationCache, staying: Images, known: Sequence[int], seed: int) -> Iterator[None]:
        """The model after the fine-tuning, while the context lasts."""
        model = cache.model
        targets = torch.searchsorted(torch.tensor(known), torch.tensor(staying.labels)).to(model.device)
        columns = torch.tensor(known, device=model.device)
        with opened(model, self.blocks, (), known) as parameters:
            optimizer = torch.optim.Adam(parameters, lr=self.lr)
            batches = shuffled(len(staying), self.batch_size, seed)
            for _ in range(self.steps):
                rows = next(batches)
                hidden = cache.hidden(staying, rows.tolist())
                with torch.enable_grad():
                    logits = model.resume(hidden, cache.entry).logits.float()[:, columns]
                    optimizer.zero_grad()
                    model.loss(logits, targets[rows.to(model.device)]).backward()
                optimizer.step()
            yield


@torch.no_grad()
def _embeddings(cache: ActivationCache, images: Images) -> Float[Tensor, "n d"]:
    return cache.outputs(images).embedding
