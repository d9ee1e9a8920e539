"""One measure a file; found through the entry points `expunge.measures`."""

from expunge.evidence.measures.relearn_time import anamnesis_bound, anamnesis_index
from expunge.evidence.measures.strangers import HOLE, KNOWN
from expunge.evidence.measures.u_lira import LEAST

__all__ = ["HOLE", "KNOWN", "LEAST", "anamnesis_bound", "anamnesis_index"]
