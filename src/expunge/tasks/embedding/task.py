"""The task of embedders with a gallery: a photo is whoever's enrolled embedding is nearest."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar

from expunge.errors import UnknownClassError
from expunge.tasks.classification import Classification
from expunge.tasks.embedding._disk import is_embedder
from expunge.tasks.embedding.loading import load_embedder
from expunge.tasks.embedding.model import EmbeddingModel
from expunge.vision import VisionModel


class Embedding(Classification):
    """Photos of people; rates are rank-1 in the gallery as it stands."""

    name: ClassVar[str] = EmbeddingModel.task
    noun: ClassVar[str] = "embedder"
    unit: ClassVar[str] = "rank-1"
    like: ClassVar[tuple[str, ...]] = (Classification.name,)
    unfit: ClassVar[Mapping[str, str]] = {
        "retrain": "it trains blocks anew on the people at hand, and an embedder has learnt of many more",
        "relearn-time": "it trains rows of a head anew, and a gallery's are photos",
        "zrf": "it asks how unsure a model is that knows nothing, and in any embedder somebody is nearest",
    }

    def recognises(self, folder: Path) -> bool:
        """An embedder of ours, or a bare backbone, of which `load` says that people must be enrolled first."""
        return is_embedder(folder)

    def load(self, source: str | Path) -> EmbeddingModel:
        """An embedder with its gallery."""
        return load_embedder(source)

    def architecture(self, folder: Path) -> str | None:
        """None: a backbone that transformers does not know is built in Python."""
        return None

    def check_named(self, model: VisionModel, classes: Collection[int]) -> None:
        """Makes sure that whoever is to be forgotten has a row in the gallery."""
        assert isinstance(model, EmbeddingModel)
        counts = model.gallery.counts()
        nobody = [model.classes[person] for person in classes if not counts[person]]
        if nobody:
            raise UnknownClassError(
                f"the gallery of {model.name} has no row of {nobody[0]!r}: the person was struck before, or never "
                "enrolled; leave the name out, or enroll anew: expunge enroll"
            )

    def lays_out(self, folder: Path) -> bool:
        """False: a folder of people is laid out as a classifier's, which is what it is read for without a model."""
        return False
