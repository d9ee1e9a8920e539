"""What suites with strangers measure: what can be taken class by class, and what the verdict by oracle needs."""

MEASURES = (
    "answers",
    "class-membership",
    "forgetting",
    "linear-probe",
    "nearest-centre",
    "prototype-relearning",
    "retrieval",
    "rows-in-place",
    "strangers",
)
"""Names of measures; those that are not installed are left out."""
