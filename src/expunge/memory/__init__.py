"""Memory of the original model that is kept instead of images."""

from expunge.memory.calibrate import RANK, calibrate, measure_classes
from expunge.memory.index import Index
from expunge.memory.memory import Memory
from expunge.memory.prototypes import Prototypes, compute_prototypes, mean_embeddings
from expunge.memory.statistics import Accumulator, ClassStatistics
from expunge.memory.store import check_free, forget_classes, load_memory, save_memory, write_memory

__all__ = [
    "RANK",
    "Accumulator",
    "ClassStatistics",
    "Index",
    "Memory",
    "Prototypes",
    "calibrate",
    "check_free",
    "compute_prototypes",
    "forget_classes",
    "load_memory",
    "mean_embeddings",
    "measure_classes",
    "save_memory",
    "write_memory",
]
