"""Class membership inference: do the probabilities of neighbouring classes betray that the class was once learnt?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.evidence.measures._attacks import attack_readings, auc
from expunge.evidence.measures._probabilities import neighbour_features
from expunge.evidence.protocol import Case, Reading
from expunge.evidence.strangers.lineup import Lineup, Side
from expunge.tasks import Observed, View


@dataclass(frozen=True)
class ClassMembership:
    """CMIA: does the model answer images of the forgotten class like those of a class it knows?

    A model that has learnt a class spreads what is left of its answer, once the class's own column is struck, over
    many neighbours; one that never saw it takes the images for a neighbour. So a mask on the head hides nothing here.

    The paper leaves the attacker open. What is taken here: an image's features are the log-probabilities of its
    `neighbours` most probable retained classes, highest first, and of all other retained classes together; which
    class it is does not count. The attacker trains on retained classes alone: a logistic regression learns, on the
    attack images, to tell answers with the image's own class struck (learnt, then hidden) from answers with another
    class struck (taken for a known class). Then the test images of the forgotten classes have to be told from those of
    retained classes. An image of a retained class is looked at with its own class struck, an image of a forgotten
    class once with each of them struck, so that either side has met the same strikes; the AUC is over all of these
    answers together, whatever was struck.

    About 50 % or below: the class is answered like a known one. An oracle stands high, as it never learnt the class,
    and its value is the one to reach. No oracle and no answer of the forgotten classes is needed to train.

    Attributes:
        neighbours: How many neighbours of an image are looked at one by one.
        ridge: Penalty on half the squared weights of the regression.
    """

    neighbours: int = 3
    ridge: float = 1e-3

    name: ClassVar[str] = "class-membership"
    summary: ClassVar[str] = "whether the probabilities of neighbours tell the forgotten class from one that is known"
    source: ClassVar[str] = "after Ebrahimpour-Boroojeny, Wang and Sundaram, ICML 2026, arXiv 2506.20893"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "cmia_auc": "CMIA, AUC",
        "cmia_tpr_at_fpr_1": "CMIA, TPR at FPR 1 %",
    }
    known_side: ClassVar[Mapping[str, Side]] = {"cmia_auc": "below"}

    def missing(self, case: Case) -> str | None:
        """Needs three retained classes with attack and test images, and test images of a forgotten one."""
        if len(_seen(case.view, case.retain)) < 3:
            return "needs at least three retained classes with attack and test images"
        return None if case.view.test.among(case.forgotten).any() else "needs test images of a forgotten class"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The AUC, and the forgotten images found where 1 % of the known ones are wrongly taken for forgotten."""
        test, known = case.view.test, _seen(case.view, case.retain)
        forgotten = test.only(case.forgotten)
        positive, negative = self._scores(case.view, case.retain, [forgotten])
        images = (len(forgotten), int(test.among(known).sum()))
        return attack_readings("cmia", positive[0], negative, images)

    def by_class(self, lineup: Lineup) -> Mapping[str, Float[Tensor, " candidates"]]:
        """The AUC of each candidate's images against those of all retained classes, in percent.

        Nothing where fewer than three retained classes have attack and test images.
        """
        if len(_seen(lineup.view, lineup.retain)) < 3:
            return {}
        images = [lineup.view.test.only([one]) for one in lineup.candidates]
        positives, negative = self._scores(lineup.view, lineup.retain, images)
        areas = [100 * auc(positive, negative) for positive in positives]
        return {"cmia_auc": torch.tensor(areas, dtype=torch.float64)}

    def _scores(self, view: View, retain: Sequence[int], images: Sequence[Observed]) -> tuple[list[Tensor], Tensor]:
        """Scores of each set of `images`, and of the test images of retained classes, under all strikes."""
        known = _seen(view, retain)
        others = {c: tuple(r for r in retain if r != c) for c in known}
        following = dict(zip(known, (*known[1:], known[0]), strict=True))
        whole = [self._features(view.attack.only([c]), others[following[c]]) for c in known]
        struck = [self._features(view.attack.only([c]), others[c]) for c in known]
        weights = fit_detector(torch.cat(whole), torch.cat(struck), self.ridge)[:-1]
        positives = [torch.cat([self._features(one, others[c]) @ weights for c in known]) for one in images]
        return positives, torch.cat([self._features(view.test.only([c]), others[c]) @ weights for c in known])

    def _features(self, images: Observed, classes: Sequence[int]) -> Tensor:
        return neighbour_features(images.logits, classes, self.neighbours)


def fit_detector(inside: Float[Tensor, "p f"], outside: Float[Tensor, "q f"], ridge: float) -> Float[Tensor, " g"]:
    """Logistic regression of two sets that weigh the same whatever their sizes, by Newton's method.

    Args:
        inside: Features of the positives.
        outside: Features of the negatives.
        ridge: Penalty on half the squared weights of the standardised features.

    Returns:
        One weight a feature, then the bias. Constant features get weight 0.
    """
    features = torch.cat([inside, outside])
    centre, scale = features.mean(0), features.std(0, correction=0)
    scale = torch.where(scale > 1e-9, scale, torch.inf)
    x = torch.cat([(features - centre) / scale, torch.ones(len(features), 1, dtype=features.dtype)], 1)
    y = torch.cat([torch.ones(len(inside)), torch.zeros(len(outside))]).double()
    share = torch.where(y > 0, 0.5 / len(inside), 0.5 / len(outside))
    penalty = torch.full((x.shape[1],), ridge, dtype=torch.float64)
    penalty[-1] = 1e-9  # the bias is free, but the system must stay solvable
    w = torch.zeros(x.shape[1], dtype=torch.float64)
    for _ in range(25):
        p = (x @ w).sigmoid()
        gradient = x.T @ (share * (p - y)) + penalty * w
        hessian = (x.T * (share * p * (1 - p))) @ x + penalty.diag()
        step = torch.linalg.solve(hessian, gradient)
        w = w - step * min(1.0, 4.0 / max(float(step.norm()), 1e-12))  # far from the optimum a full step overshoots
        if float(step.norm()) < 1e-8:
            break
    plain = w[:-1] / scale
    return torch.cat([plain, (w[-1] - plain @ centre)[None]])


def _seen(view: View, retain: Sequence[int]) -> tuple[int, ...]:
    """Retained classes that have attack and test images."""
    there = set(view.attack.labels.tolist()) & set(view.test.labels.tolist())
    return tuple(c for c in retain if c in there)
