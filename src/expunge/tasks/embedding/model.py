"""`EmbeddingModel`: an embedder with the gallery that its embeddings are searched in."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from expunge.errors import DuplicateClassError, HeadError
from expunge.tasks.embedding._disk import save_embedder
from expunge.tasks.embedding.gallery import Gallery
from expunge.values import Block
from expunge.vision import HeadedBackbone, Preprocess, SoftmaxHead, VisionModel, digest

HEAD = "classifier"
"""Name of the gallery in the module: that of the classifier of a headed backbone."""


class Embedder(HeadedBackbone):
    """A backbone that is pooled to one embedding an image, or that gives embeddings itself, under a gallery."""

    def embed(self, pixels: Tensor) -> Tensor:
        """One embedding an image, (n, d), not of length one."""
        return self._pool(self.backbone(pixels))

    def _pool(self, output: object) -> Tensor:
        return output if isinstance(output, Tensor) and output.ndim == 2 else super()._pool(output)


class EmbeddingModel(VisionModel):
    """An embedder and its gallery; `classes` are the people, whoever of them has a row left.

    Its logits are scaled cosines (`Gallery`), so whatever holds for a classifier holds for it: a person is struck with
    their rows, and the loss is the cross-entropy of finding them.
    """

    task: ClassVar[str] = "embedding"

    def __init__(
        self,
        backbone: nn.Module,
        gallery: Gallery,
        people: Sequence[str],
        *,
        preprocess: Preprocess,
        pooling: str = "cls",
        name: str = "embedder",
        blocks: Sequence[Block] | None = None,
        source: Path | None = None,
    ) -> None:
        """Puts a gallery on a backbone of transformers, or on any module that gives (n, d) embeddings.

        Raises:
            NoBlocksError: No block was recognised.
            HeadError: The pooling is unknown, or the gallery does not fit the embedder or the names.
            DuplicateClassError: Two people have one name.
        """
        doubled = next((name for name in people if list(people).count(name) > 1), None)
        if doubled is not None:
            raise DuplicateClassError(f"the gallery of {name} has the name {doubled!r} twice; give each person one")
        if gallery.people != len(people):
            raise HeadError(f"the gallery of {name} is of {gallery.people} people; expected {len(people)}, as named")
        module = Embedder(backbone, pooling, gallery)
        super().__init__(
            module,
            people,
            preprocess=preprocess,
            head=SoftmaxHead(),
            name=name,
            blocks=blocks,
            source=source,
            head_name=HEAD,
        )
        width = width_of(module, preprocess)
        if gallery.weight.shape[1] != width:
            raise HeadError(
                f"the rows of the gallery have {gallery.weight.shape[1]} numbers, and {name} gives {width} an image: "
                "they are another embedder's. Enroll its people anew: expunge enroll"
            )

    @property
    def embedder(self) -> Embedder:
        """The module."""
        assert isinstance(self.module, Embedder)
        return self.module

    @property
    def gallery(self) -> Gallery:
        """The gallery as it stands."""
        gallery = self.embedder.classifier
        assert isinstance(gallery, Gallery)
        return gallery

    def digest(self) -> str:
        """SHA-256 of the weights and of the rows that stand; rows that were struck are not told from none."""
        return digest(nn.ModuleDict({"backbone": self.embedder.backbone, HEAD: self.gallery.kept()}))

    def save(self, folder: str | Path) -> None:
        """Writes a model directory, without the rows of people who were struck; see `expunge.tasks.embedding._disk`.

        Raises:
            OutputError: The directory cannot be written, or holds something already.
        """
        embedder, rows = self.embedder, self.gallery.kept()
        save_embedder(embedder.backbone, embedder.pooling, rows, self.classes, self.preprocess, Path(folder))


@torch.no_grad()
def width_of(module: Embedder, preprocess: Preprocess) -> int:
    """Width of an embedding, from one blank image."""
    parameter = next(module.parameters())
    blank = torch.zeros(1, 3, *preprocess.size, device=parameter.device, dtype=parameter.dtype)
    return module.embed(blank).shape[1]
