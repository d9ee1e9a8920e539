"""What a model makes of labelled images: the raw material of every measure."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from expunge.data import Images
from expunge.vision import ActivationCache, VisionModel


@dataclass(frozen=True, eq=False)
class Observed:
    """One model's answers on `n` labelled images, all on the CPU in float32.

    Attributes:
        embedding: What the classifier is given.
        logits: What the classifier makes of it, without any margin.
        labels: The true classes.
        layers: For each block of the model, lowest first, its output averaged over the tokens.
    """

    embedding: Float[Tensor, "n d"]
    logits: Float[Tensor, "n c"]
    labels: Int[Tensor, " n"]
    layers: tuple[Float[Tensor, "n _"], ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def among(self, classes: Collection[int]) -> Bool[Tensor, " n"]:
        """Which images are of `classes`."""
        return torch.isin(self.labels, torch.tensor(sorted(classes), dtype=self.labels.dtype))

    def only(self, classes: Collection[int]) -> "Observed":
        """The images of `classes`, order kept."""
        return self.select(self.among(classes))

    def select(self, rows: Tensor) -> "Observed":
        """Some rows, by index or by mask."""
        layers = tuple(layer[rows] for layer in self.layers)
        return Observed(self.embedding[rows], self.logits[rows], self.labels[rows], layers)


@dataclass(frozen=True, eq=False)
class View:
    """One model seen through the two sets of images that evidence works with.

    Attributes:
        attack: Images an attacker may learn from: training images of all classes, the forgotten ones included.
        test: Images that nobody has learnt from.
    """

    attack: Observed
    test: Observed


@torch.no_grad()
def observe(cache: ActivationCache, images: Images) -> Observed:
    """Runs the model of `cache` over `images`, with the mean token of every block from the cache's entry on.

    Args:
        cache: The model and its hidden states; `cache.entry` must not lie above a block that has been edited.
        images: At least one image.
    """
    model, parts = cache.model, []
    modules = [model.module.get_submodule(block.name) for block in model.blocks[cache.entry :]]
    widths = [model.linear(block.linears[-1]).out_features for block in model.blocks[cache.entry :]]
    for batch in cache.batches(images):
        outputs: dict[int, Tensor] = {}  # the last call of each block counts: a model may try itself out first
        hooks = [
            module.register_forward_hook(lambda *call, kept=outputs, i=i: kept.update({i: _pooled(call[2], widths[i])}))
            for i, module in enumerate(modules)
        ]
        try:
            output = cache.output(images, batch)
        finally:
            for hook in hooks:
                hook.remove()
        parts.append((output, outputs))
    labels = torch.tensor(images.labels, dtype=torch.int64)
    layers = tuple(torch.cat([layers[i] for _, layers in parts]) for i in range(len(modules)))
    embedding = torch.cat([output.embedding for output, _ in parts]).float().cpu()
    return Observed(embedding, torch.cat([output.logits for output, _ in parts]).float().cpu(), labels, layers)


def view(model: VisionModel, attack: Images, test: Images) -> View:
    """Looks at both sets of images with a cache of its own."""
    cache = ActivationCache(model)
    return View(observe(cache, attack), observe(cache, test))


def _pooled(result: object, width: int) -> Tensor:
    """A block's output averaged over all dimensions between images and channels, (n, width).

    Channels are last in transformers, and second in the maps of a convolutional network.
    """
    hidden = result[0] if isinstance(result, tuple) else result
    if not isinstance(hidden, Tensor):
        raise TypeError(f"expected a block to return a tensor, it returned {type(hidden).__name__}")
    hidden = hidden.float().cpu()
    if hidden.ndim <= 2:
        return hidden.reshape(len(hidden), -1)
    last = hidden if hidden.shape[-1] == width else hidden.movedim(1, -1)
    return last.flatten(1, -2).mean(dim=1)
