"""`VisionModel`: any image classifier behind one face."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn

from expunge.errors import NoBlocksError
from expunge.values import Block
from expunge.vision import _forwards
from expunge.vision._conv_blocks import find_conv_blocks, writes_maps
from expunge.vision._flow import done_before
from expunge.vision.blocks import check_blocks, find_blocks
from expunge.vision.classifiers import HeadedBackbone, find_head
from expunge.vision.heads import Head, SoftmaxHead
from expunge.vision.output import Output, read_output
from expunge.vision.preprocess import Preprocess
from expunge.vision.saving import save_model
from expunge.vision.wrapped import Wrapped

__all__ = ["Output", "VisionModel"]


class VisionModel(Wrapped):
    """A pre-trained image classifier, its blocks and classifier found by structure.

    The module is put in eval mode for good (no dropout, so the same seed gives the same bytes) and its
    parameters are frozen. Layers are looked up by name each time, so they may be replaced at any moment.

    Attributes:
        module: The classifier itself.
        classes: Names of the classes, in the order of the logits.
        head: The loss that belongs to the logits.
        head_name: Name of the classifier module inside `module`.
        blocks: The blocks, lowest first, with their layers. Where none can be edited, it is the classifier alone.
        fixed: Why none can be edited; None where they can.
        preprocess: How pictures become pixels.
        name: What the model is called in reports.
        source: The directory it was loaded from, if any.
        architecture: A name that builds the module, such as "zoo:glyphs", where transformers does not know it.
    """

    task: ClassVar[str] = "classification"

    def __init__(
        self,
        module: nn.Module,
        classes: Sequence[str],
        *,
        preprocess: Preprocess,
        head: Head = SoftmaxHead(),  # noqa: B008 - a frozen value
        name: str = "model",
        blocks: Sequence[Block] | None = None,
        source: Path | None = None,
        architecture: str | None = None,
        head_name: str | None = None,
    ) -> None:
        """Takes over `module`, which gives logits for pixels, as a tensor or as `.logits` like transformers.

        `head_name` says where the classifier is, if it has not one row a class.

        Raises:
            NoBlocksError: One of `blocks` is not in the module.
            HeadError: No classifier with one row a class was recognised.
        """
        self.module = module.eval().requires_grad_(False)
        self.classes = tuple(classes)
        self.head: Head = head
        self.preprocess = preprocess
        self.blocks = self._find_blocks() if blocks is None else check_blocks(module, blocks)
        self.head_name = find_head(module, len(self.classes), self.blocks) if head_name is None else head_name
        self.blocks = self.blocks or (Block(self.head_name, ()),)
        self._of_maps = writes_maps(module, self.blocks)
        self.name = name
        self.source = source
        self.architecture = architecture
        self._below: dict[int, dict[str, _forwards.Returns]] = {}

    @property
    def text_model(self) -> str | None:
        """Name of the text model that made the head's rows from class names; None where they were trained."""
        prompts = self.module.prompts if isinstance(self.module, HeadedBackbone) else None
        return prompts.model if prompts is not None else None

    def prepare(self, images: Sequence[Image.Image | Tensor]) -> Float[Tensor, "n ch h w"]:
        """Pixels of images, on the CPU: pictures go through `preprocess`, tensors are taken as they are."""
        if not images:
            return torch.zeros(0, 3, *self.preprocess.size)
        pictures = [image for image in images if not isinstance(image, Tensor)]
        prepared = iter(self.preprocess(pictures)) if pictures else iter(())  # one call: each has a price of its own
        return torch.stack([image if isinstance(image, Tensor) else next(prepared) for image in images])

    def __call__(self, pixels: Float[Tensor, "n ch h w"]) -> Output:
        """Runs the whole model once, under the caller's grad mode.

        Raises:
            HeadError: The logits are not what the classifier gave.
        """
        with _forwards.watched(self.module.get_submodule(self.head_name)) as calls:
            returned = self.module(pixels.to(self.device))
        return read_output(returned, calls, self.head_name)

    def enter(self, pixels: Float[Tensor, "n ch h w"], block: int) -> Float[Tensor, "*hidden"]:
        """The hidden states that enter `blocks[block]`; nothing from there on is run.

        Raises:
            NoBlocksError: There is no such block, or the model never calls it.
        """
        hidden = _forwards.enter(self.module, self._block_module(block), pixels.to(self.device))
        if hidden is None:
            raise NoBlocksError(f"{self.name} never calls its block {self.blocks[block].name}.")
        return hidden

    def resume(self, hidden: Float[Tensor, "n *hidden"], block: int, *, size: tuple[int, int] | None = None) -> Output:
        """Goes on from the hidden states that enter `blocks[block]`; the blocks below are not run.

        Gives exactly what the whole model gives for the pixels that `hidden` came from. The first call for a
        block makes sure of that, with one made-up image.

        Args:
            hidden: What `enter` gave for the same block.
            block: Index of the block to go on from.
            size: Height and width of the pixels that `hidden` came from, if not those of `preprocess`.

        Raises:
            NoBlocksError: There is no such block, or the model cannot go on from its input alone.
        """
        if self._block_module(block) is self.module.get_submodule(self.head_name):
            embedding = hidden.to(self.device)
            return Output(embedding, self.module.get_submodule(self.head_name)(embedding))
        size = self.preprocess.size if size is None else size
        with self._cut(hidden, block, size):
            return self(self._blank(len(hidden), size))

    def advance(
        self, hidden: Float[Tensor, "n *hidden"], block: int, to: int | None = None
    ) -> Float[Tensor, "n *next"]:
        """From the hidden states that enter `blocks[block]` to those that enter `blocks[to]`, above it or the same.

        Args:
            hidden: What `enter` gave for `block`.
            block: Index of the block it enters.
            to: Index of the block to go on to; the next one by default.

        Raises:
            NoBlocksError: There is no such block, or the model cannot go on from its input alone.
        """
        to = block + 1 if to is None else to
        if to == block:
            return hidden
        following = self._block_module(to)
        size = self.preprocess.size
        with self._cut(hidden, block, size):
            entered = _forwards.enter(self.module, following, self._blank(len(hidden), size))
        if entered is None:
            raise NoBlocksError(f"{self.name} never calls its block {self.blocks[to].name}.")
        return entered

    def loss(self, logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"]) -> Float[Tensor, ""]:
        """The training loss of the head; see `head`."""
        return self.head.loss(logits, labels)

    def save(self, folder: str | Path) -> None:
        """Writes a model directory; see `expunge.vision.saving`.

        Raises:
            OutputError: The directory cannot be written, or holds something already.
        """
        save_model(
            self.module,
            Path(folder),
            classes=self.classes,
            head=self.head,
            preprocess=self.preprocess,
            architecture=self.architecture,
        )

    def _find_blocks(self) -> tuple[Block, ...]:
        """None where none can be edited; then `fixed` says why."""
        try:
            return find_blocks(self.module)
        except NoBlocksError as error:
            self.fixed = str(error)
        if sum(isinstance(part, nn.Conv2d) for part in self.module.modules()) > 1:  # one may make patches
            try:
                found = find_conv_blocks(self.module, self._trial(self.preprocess.size))
            except NoBlocksError as error:
                self.fixed = str(error)
            else:
                self.fixed = None
                return found
        return ()

    def _block_module(self, block: int) -> nn.Module:
        if not 0 <= block < len(self.blocks):
            raise NoBlocksError(f"Expected a block from 0 to {len(self.blocks) - 1} of {self.name}; got {block}.")
        return self.module.get_submodule(self.blocks[block].name)

    @contextmanager
    def _cut(self, hidden: Tensor, block: int, size: tuple[int, int]) -> Iterator[None]:
        """Lets the model begin with `blocks[block]`, which is given `hidden`, whatever the pixels are."""
        module = self._block_module(block)
        if block not in self._below:
            self._below[block] = self._learn_below(block, size)
        with _forwards.skipped(self._modules(self._below[block]), module, hidden.to(self.device)):
            yield

    def _modules(self, below: dict[str, _forwards.Returns]) -> dict[nn.Module, _forwards.Returns]:
        return {self.module.get_submodule(name): returns for name, returns in below.items()}

    def _blank(self, n: int, size: tuple[int, int]) -> Tensor:
        dtype = next(self.module.parameters()).dtype
        return torch.zeros(1, 1, 1, 1, device=self.device, dtype=dtype).expand(n, 3, *size)

    def _trial(self, size: tuple[int, int]) -> Tensor:
        blank = self._blank(1, size)
        return torch.linspace(-2, 2, blank.numel(), device=blank.device, dtype=blank.dtype).view(blank.shape)

    @torch.no_grad()
    def _learn_below(self, block: int, size: tuple[int, int]) -> dict[str, _forwards.Returns]:
        """What need not run below `block`, and what it returns; makes sure that the rest needs its input alone."""
        pixels = self._trial(size)
        whole = self(pixels).embedding
        below = self._lower(block, pixels)
        hidden = self.enter(pixels, block)
        if len(hidden) == len(pixels):
            with _forwards.skipped(self._modules(below), self._block_module(block), hidden):
                rest = self(self._blank(1, size)).embedding
            if (rest - whole).norm() <= 1e-3 * whole.norm():
                return below
        self.refuse_not_finite()
        raise NoBlocksError(
            f"{self.name} cannot go on from what enters its block {self.blocks[block].name}: the embedding comes out "
            "different, or images are cut up before the block. Perhaps a residual connection passes around it; "
            "use `blocks=` to name blocks that hold their residual connections."
        )

    def _lower(self, block: int, pixels: Tensor) -> dict[str, _forwards.Returns]:
        """The blocks below a block of tokens, which all have one shape; all that runs below one of maps.

        What stands between convolutions, a norm or a pooling, could not take the pixels that go through in their place.
        """
        if self._of_maps:
            return done_before(self.module, self.blocks[block].name, pixels)
        names = [entry.name for entry in self.blocks[:block]]
        with _forwards.watched(*(self.module.get_submodule(name) for name in names)) as calls:
            self(pixels)
        return dict.fromkeys(names, _forwards.returns_of(calls[0][1]) if calls else None)
