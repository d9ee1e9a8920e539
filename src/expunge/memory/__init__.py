"""What is kept of the original model instead of images."""

from expunge.memory.prototypes import Prototypes, compute_prototypes, mean_embeddings

__all__ = ["Prototypes", "compute_prototypes", "mean_embeddings"]
