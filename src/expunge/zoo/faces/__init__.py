"""`zoo:faces` and its recipe."""

from expunge.zoo.faces.model import TUNED_BLOCKS, faces, faces_30
from expunge.zoo.faces.recipe import Recipe, train_faces

__all__ = ["TUNED_BLOCKS", "Recipe", "faces", "faces_30", "train_faces"]
