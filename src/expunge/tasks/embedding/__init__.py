"""Embedders with a gallery: a person is found whose enrolled embedding is nearest."""

from expunge.tasks.embedding.enrolling import enroll, load_unenrolled
from expunge.tasks.embedding.gallery import Gallery
from expunge.tasks.embedding.loading import load_embedder
from expunge.tasks.embedding.model import EmbeddingModel
from expunge.tasks.embedding.task import Embedding

__all__ = ["Embedding", "EmbeddingModel", "Gallery", "enroll", "load_embedder", "load_unenrolled"]
