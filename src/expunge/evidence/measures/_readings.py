"""Helpers of several measures: rates as readings, and which forgotten classes an attack can be counted on."""

from expunge.evidence.protocol import Aim, Case, Reading
from expunge.intervals import wilson


def rate_reading(key: str, rate: float, n: int, aim: Aim = "oracle") -> Reading:
    """A rate in percent with its Wilson interval.

    Several tries on one image are not independent, so `n` is the number of images: the interval is that of the nearest
    whole number of hits, widened to hold the rate.

    Args:
        key: Name of the row.
        rate: Share of hits, 0 to 1; a mean over images of the share of tries that hit.
        n: Number of images.
        aim: What a good value is.
    """
    interval = wilson(round(rate * n), n)
    return Reading(key, 100 * rate, "%", n, min(interval.low, 100 * rate), max(interval.high, 100 * rate), aim)


def attackable(case: Case) -> tuple[int, ...]:
    """The forgotten classes with an image to attack with and another to count on."""
    attack, test = set(case.features.attack.labels.tolist()), set(case.features.test.labels.tolist())
    return tuple(label for label in case.forgotten if label in attack and label in test)


def no_attack(case: Case) -> str | None:
    """Reason why an attack on the embeddings cannot be run, or None."""
    if not attackable(case):
        return "needs a forgotten class with attack images and test images"
    if not case.features.attack.among(case.retain).any():
        return "needs attack images of a retained class"
    if not (case.features.attack.embedding.isfinite().all() and case.features.test.embedding.isfinite().all()):
        return "needs embeddings that are finite"
    return None


def no_attack_on_images(case: Case) -> str | None:
    """Reason why an attack that looks at the attack images beside their embeddings cannot be run, or None."""
    if reason := no_attack(case):
        return reason
    if (len(case.view.attack), len(case.view.test)) != (len(case.attack), len(case.test)):
        return "needs a view of all attack images and all test images"
    return None
