"""`DetectionModel`: any detector with DETR's shape behind one face."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor, nn

from expunge.errors import HeadError, ModelError, NoBlocksError
from expunge.values import Block
from expunge.vision import _forwards
from expunge.vision.blocks import check_blocks
from expunge.vision.detection._entrances import BeforeBlocks, BehindBackbone, Entrances
from expunge.vision.detection._states import Layout, State
from expunge.vision.detection._structure import find_backbone, find_detection_blocks, find_detection_head, made
from expunge.vision.detection.criterion import Criterion, SetLoss, criterion_of
from expunge.vision.detection.output import DetectionOutput, Kind
from expunge.vision.detection.own_weights import Origin, write_own_weights
from expunge.vision.detection.targets import Target
from expunge.vision.heads import SoftmaxHead
from expunge.vision.preprocess import Preprocess
from expunge.vision.saving import save_model
from expunge.vision.wrapped import Wrapped


class DetectionModel(Wrapped):
    """A pre-trained detector that answers with a set of queries, its parts found by structure.

    It has the face of `VisionModel`, so that edits fit it as they fit a classifier: a low-rank or dense change of its
    blocks, and a struck class, whose logit no query can raise. The module is put in eval mode for good and its
    parameters are frozen.

    Attributes:
        module: The detector itself, which gives `.logits` and `.pred_boxes`.
        classes: Names of the classes, in the order of the logits.
        blocks: The blocks of encoder and decoder, lowest first, with the Linear layers of their FFNs.
        head_name: Name of the Linear layer that makes the logits.
        kind: What the logits are.
        criterion: How it was trained.
        preprocess: How pictures become pixels.
        name: What the model is called in reports.
        source: The directory it was loaded from, if any.
        origin: What it is made from, if it is no transformers model and can be saved.
    """

    task: ClassVar[str] = "detection"

    def __init__(
        self,
        module: nn.Module,
        classes: Sequence[str],
        *,
        preprocess: Preprocess,
        criterion: Criterion | None = None,
        name: str = "detector",
        blocks: Sequence[Block] | None = None,
        source: Path | None = None,
        origin: Origin | None = None,
    ) -> None:
        """Takes over `module` and tries it with one made-up image.

        Raises:
            NoBlocksError: No block was recognised, or one of `blocks` is not in the module.
            HeadError: No layer makes the logits, with one row a class or one more.
            DetectionError: No criterion was handed over, and the module's configuration describes none.
        """
        self.module = module.eval().requires_grad_(False)
        self.classes = tuple(classes)
        self.preprocess = preprocess
        self.name = name
        self.source = source
        self.origin = origin
        backbone = find_backbone(module)
        self.blocks = find_detection_blocks(module, backbone) if blocks is None else check_blocks(module, blocks)
        trial = self._made_up(preprocess.size)
        head = find_detection_head(module, len(self.classes), self.blocks, trial)
        self.head_name = head.name
        self.kind: Kind = head.kind
        self.criterion = criterion_of(getattr(module, "config", None), head.kind) if criterion is None else criterion
        self._masks = backbone is not None
        self._entrances: Entrances = (
            BeforeBlocks(module, self.blocks, trial)
            if backbone is None
            else BehindBackbone(module, backbone, self.blocks, trial)
        )
        self._layouts: dict[tuple[object, ...], Layout] = {}

    @property
    def decoder(self) -> tuple[int, ...]:
        """Indices of the decoder's blocks, which only look at the encoder's output; none without a backbone."""
        return tuple(i for i in range(len(self.blocks)) if self._entrances.place(i) == "encoder")

    def prepare(self, images: Sequence[Image.Image | Tensor]) -> Float[Tensor, "n ch h w"]:
        """Pixels of images, on the CPU: pictures go through `preprocess`, tensors are taken as they are.

        A fourth channel, if there is one, says where a padded image is.
        """
        if not images:
            return torch.zeros(0, 3, *self.preprocess.size)
        pictures = [image for image in images if not isinstance(image, Tensor)]
        if len(pictures) == len(images):
            return self.preprocess(pictures)
        prepared = iter(self.preprocess(pictures)) if pictures else iter(())
        return torch.stack([image if isinstance(image, Tensor) else next(prepared) for image in images])

    def __call__(self, pixels: Float[Tensor, "n ch h w"]) -> DetectionOutput:
        """Runs the whole detector once, under the caller's grad mode.

        Raises:
            HeadError: The logits are not what the head gave.
        """
        state = State.of(pixels.to(self.device))
        return self._run(state.pixels, self._settings(state))

    def enter(self, pixels: Float[Tensor, "n ch h w"], block: int) -> Float[Tensor, "n numbers"]:
        """States of images that suffice to go on from `blocks[block]` later, as one row of numbers an image.

        Of a detector with a backbone: what the backbone makes of them, or for a block of the decoder what the encoder
        makes of that. So as long as nothing below is edited, the backbone's work is done once.

        Raises:
            NoBlocksError: There is no such block.
        """
        place = self._entrances.place(self._index(block))
        state = State.of(pixels.to(self.device))
        parts = self._entrances.record(state.pixels, self._settings(state), place)
        return state.pack(parts)

    def resume(
        self, hidden: Shaped[Tensor, "n numbers"], block: int, *, size: tuple[int, int] | None = None
    ) -> DetectionOutput:
        """Goes on from what `enter` gave for the same block: exactly what the whole detector gives for these images.

        The first call for a block and a size makes sure of that, with one made-up image.

        Args:
            hidden: What `enter` gave.
            block: Index of the block to go on from.
            size: Height and width of the pixels that `hidden` came from, if not those of `preprocess`.

        Raises:
            NoBlocksError: There is no such block, or the detector cannot go on from what enters it.
        """
        return self._resume(hidden.to(self.device), block, self._layout(block, size))

    def advance(
        self, hidden: Shaped[Tensor, "n numbers"], block: int, to: int, *, size: tuple[int, int] | None = None
    ) -> Float[Tensor, "n others"]:
        """From what `enter` gave for `blocks[block]` to what it gives for `blocks[to]`, above it or the same.

        Args:
            hidden: What `enter` gave.
            block: Index of the block it enters.
            to: Index of the block to go on to.
            size: Height and width of the pixels that `hidden` came from, if not those of `preprocess`.

        Raises:
            NoBlocksError: There is no such block, or the detector cannot go on from what enters it.
        """
        here, there = (self._entrances.place(self._index(one)) for one in (block, to))
        if here == there:
            return hidden
        state, parts = self._layout(block, size).unpack(hidden.to(self.device))
        with self._entrances.replay(parts, state.pixels, here) as extra:
            return state.pack(self._entrances.record(state.pixels, {**self._settings(state), **extra}, there))

    def loss(self, output: DetectionOutput, targets: Sequence[Target]) -> SetLoss:
        """The set criterion, matching included; see `criterion`."""
        return self.criterion.loss(output, targets)

    def save(self, folder: str | Path) -> None:
        """Writes a model directory: as transformers does, which `load_detector` reads, or the weights of its own.

        Raises:
            ModelError: The module is no transformers model and has no origin.
            OutputError: The directory cannot be written, or holds something already.
        """
        from transformers import PreTrainedModel

        if isinstance(self.module, PreTrainedModel):
            save_model(self.module, Path(folder), classes=self.classes, head=SoftmaxHead(), preprocess=self.preprocess)
        elif self.origin is not None:
            write_own_weights(self, self.origin, Path(folder))
        else:
            raise ModelError(
                f"Only transformers detectors and those of the zoo can be saved; this is a {type(self.module).__name__}"
            )

    def _index(self, block: int) -> int:
        if not 0 <= block < len(self.blocks):
            raise NoBlocksError(f"Expected a block from 0 to {len(self.blocks) - 1} of {self.name}; got {block}.")
        return block

    def _layout(self, block: int, size: tuple[int, int] | None) -> Layout:
        """Layout of a row that enters a block, learnt once for a block and a size."""
        place = self._entrances.place(self._index(block))
        size = self.preprocess.size if size is None else size
        if (place, size) not in self._layouts:
            self._layouts[place, size] = self._learn(block, size)
        return self._layouts[place, size]

    def _settings(self, state: State) -> dict[str, Any]:
        return {"pixel_mask": state.mask} if self._masks and state.mask is not None else {}

    def _run(self, pixels: Tensor, settings: dict[str, Any]) -> DetectionOutput:
        with _forwards.watched(self.module.get_submodule(self.head_name)) as calls:
            returned = self.module(pixels, **settings)
        features = made(calls, returned.logits)
        if features is None:
            raise HeadError(
                f"The logits of {self.name} are not the output of {self.head_name!r}: something changes them."
            )
        return DetectionOutput(features, returned.logits, returned.pred_boxes, self.kind)

    def _resume(self, hidden: Tensor, block: int, layout: Layout) -> DetectionOutput:
        state, parts = layout.unpack(hidden)
        with self._entrances.replay(parts, state.pixels, self._entrances.place(block)) as extra:
            return self._run(state.pixels, {**self._settings(state), **extra})

    def _made_up(self, size: tuple[int, int]) -> Tensor:
        like = next(self.module.parameters())
        numbers = torch.linspace(-2, 2, 3 * size[0] * size[1], device=like.device, dtype=like.dtype)
        return numbers.view(1, 3, *size)

    @torch.no_grad()
    def _learn(self, block: int, size: tuple[int, int]) -> Layout:
        """Layout of a row of numbers. Makes sure that the rest of the detector needs nothing else."""
        pixels = self._made_up(size)
        parts = self._entrances.record(pixels, {}, self._entrances.place(block))
        layout = Layout(size, tuple(part.shape[1:] for part in parts))
        whole, rest = self(pixels), self._resume(State.of(pixels).pack(parts), block, layout)
        if not torch.allclose(whole.features, rest.features, rtol=1e-3, atol=1e-3 * float(whole.features.abs().max())):
            self.refuse_not_finite()
            raise NoBlocksError(
                f"{self.name} cannot go on from what enters its block {self.blocks[block].name}: "
                "the features come out different."
            )
        return layout
