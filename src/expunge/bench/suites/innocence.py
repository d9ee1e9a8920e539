"""What suites with strangers measure: what can be taken class by class, and what the weights alone still know."""

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
