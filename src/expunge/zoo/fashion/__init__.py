"""Fashion-MNIST and a small vision transformer that was trained on it."""

from expunge.zoo.fashion.data import CLASSES, fashion

__all__ = [
    "CLASSES",
    "fashion",
]
