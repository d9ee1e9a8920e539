"""Views of a classifier on labelled images: one pass, and the mean token of every block."""

import torch
from torch import Tensor

from expunge.data import Images
from expunge.tasks.views import Observed, View
from expunge.vision import ActivationCache, Layer, VisionModel


@torch.no_grad()
def observe(cache: ActivationCache, images: Images) -> Observed:
    """Runs the model of `cache` over `images`, with the mean token of every block from the cache's entry on.

    Args:
        cache: The model and its hidden states; `cache.entry` must not lie above a block that has been edited.
        images: At least one image.
    """
    model, parts = cache.model, []
    blocks = [block for block in model.blocks[cache.entry :] if block.linears]
    modules = [model.module.get_submodule(block.name) for block in blocks]
    written = [model.layer(block.linears[-1]) for block in blocks]
    for batch in cache.batches(images):
        outputs: dict[int, Tensor] = {}  # the last call of each block counts: a model may try itself out first
        hooks = [
            module.register_forward_hook(
                lambda *call, kept=outputs, i=i: kept.update({i: _pooled(call[2], written[i])})
            )
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


def _pooled(result: object, layer: Layer) -> Tensor:
    """A block's output averaged over positions, (n, width); `layer` is the one that writes to it."""
    hidden = result[0] if isinstance(result, tuple) else result
    if not isinstance(hidden, Tensor):
        raise TypeError(f"expected a block to return a tensor, it returned {type(hidden).__name__}")
    return layer.outputs(hidden.float().cpu(), len(hidden)).mean(dim=1)
