"""Measures of suites with strangers: those taken class by class, and those of the weights alone."""

MEASURES = (
    "answers",
    "class-membership",
    "forgetting",
    "inversion",
    "linear-probe",
    "nearest-centre",
    "prototype-relearning",
    "retrieval",
    "rows-in-place",
    "strangers",
)
"""Names of measures."""
