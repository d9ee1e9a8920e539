"""Finds measures of detectors by name through the entry-point group `expunge.detection_measures`."""

from typing import cast

from expunge.evidence.detection.protocol import DetectionMeasure
from expunge.evidence.registry import make_from, names_in

GROUP = "expunge.detection_measures"


def detection_measure_names() -> tuple[str, ...]:
    """Names of all installed measures of detectors, sorted."""
    return names_in(GROUP)


def make_detection_measure(name: str) -> DetectionMeasure:
    """The measure of that name with its default settings.

    Raises:
        EvidenceError: No such measure is installed, or what is installed under the name is no measure.
    """
    return cast(DetectionMeasure, make_from(GROUP, name))
