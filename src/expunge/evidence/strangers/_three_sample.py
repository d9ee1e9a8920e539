"""Is what an edited model makes of the forgotten classes nearer to the innocent or to the original?

A two-sample test against the innocent fails every edit, and every oracle, once there are images enough, for no two
models are the same. The relative question does not. It is asked of unlearning by M. Ribero, A. Schrab and A. Gretton,
"Regularized f-divergence kernel tests", AISTATS 2026, arXiv 2601.19755.
"""

from collections.abc import Sequence
from typing import Literal

from expunge.errors import EvidenceError
from expunge.evidence.strangers._profiles import answer_profiles, feature_profiles
from expunge.evidence.strangers._relative import Relative, relative_rank, relative_test
from expunge.evidence.strangers.lineup import Lineup
from expunge.tasks import View

MOST_KNOWN = 100
"""Largest number of retained classes that stand for those the original knows: the pairs of them are all tried."""


def three_sample(
    edited: Lineup,
    original: Lineup,
    *,
    on: Literal["answers", "features"],
    oracle: View | None = None,
    level: float = 0.05,
) -> Relative:
    """The relative three-sample test on profiles of images, which do not say which class it is.

    From three forgotten classes on a jackknife over classes judges, against three strangers or more, or against an
    oracle's view of the forgotten classes. Of one or two, their place among two strangers or more does, oracle or
    not; at a level of 0.05 it takes 19 strangers to place one class, and five to place two.

    Args:
        edited: The edited model and what it sees.
        original: The original model before the same images and classes.
        on: Whether to look at what the head says or at what it is given.
        oracle: What a model that never saw the forgotten classes makes of the same images. It is then the innocent.
        level: What a p-value has to reach; one-sided.

    Raises:
        EvidenceError: The lineups are not of the same images; or there are too few classes, or images of a class, to
            say anything.
    """
    views = [edited.view, original.view, *([] if oracle is None else [oracle])]
    same = {(tuple(v.attack.labels.tolist()), tuple(v.test.labels.tolist())) for v in views}
    classes = {(one.retain, one.forgotten, one.strangers) for one in (edited, original)}
    if len(same) > 1 or len(classes) > 1:
        raise EvidenceError("Expected all models before the same images and classes. Make both lineups of one set.")
    count = min((int(edited.view.test.among([c]).sum()) for c in edited.candidates), default=0)
    forgotten, strangers, retain = edited.forgotten, edited.strangers, edited.retain
    profiles = answer_profiles if on == "answers" else feature_profiles
    if len(forgotten) < 3:
        kinds = ((edited.view, forgotten), (edited.view, strangers), (original.view, _known(original, count)))
        if not all(chosen for _, chosen in kinds):
            raise EvidenceError(
                "Expected forgotten classes, strangers and retained ones with images. Add what is missing."
            )
        seen, innocent, known = (profiles(where, chosen, retain, count) for where, chosen in kinds)
        return relative_rank(seen, innocent, known, level=level)
    if oracle is None and len(strangers) < 3:
        raise EvidenceError(f"Expected three strangers at least, got {len(strangers)}. Bring classes it never saw.")
    innocent = (edited.view, strangers) if oracle is None else (oracle, forgotten)
    kinds = ((edited.view, forgotten), innocent, (original.view, forgotten))
    now, never, before = (profiles(where, chosen, retain, count) for where, chosen in kinds)
    return relative_test(now, never, before, paired=oracle is not None, level=level)


def _known(original: Lineup, images: int) -> Sequence[int]:
    """Retained classes with images enough, evenly spaced if there are many."""
    there = [c for c in original.retain if int(original.view.test.among([c]).sum()) >= images]
    return there[:: -(-len(there) // MOST_KNOWN) or 1]
