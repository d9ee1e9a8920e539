"""Which sites an edit of a convolutional network needs, on the tests' toys: `python -m scripts.conv_sites`.

Five requests, each on the original, of small networks that tell ten textures; 20 test images a class. A line says which
blocks were open to the closed form, and accuracy in percent with the head's rows in place: on the classes that go, on
those that stay, and of a ridge probe of the embedding on those that go.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import one_hot

from expunge.adapters import Edit, EditStack
from expunge.data import Images
from expunge.methods import make_method
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask
from expunge.values import Block
from expunge.vision import ActivationCache, VisionModel
from tests.methods import tiny

REQUESTS = ((0, 1), (2, 5), (4,), (7, 8), (9, 3))
STEPS: Mapping[Callable[[], nn.Module], int] = {tiny.resnet: 60, tiny.mobilenet: 150, tiny.plain_cnn: 60}
SPLITS = tiny.template_splits()


def variants(blocks: tuple[Block, ...]) -> Mapping[str, tuple[Block, ...]]:
    """Blocks that are open, by what they are called here."""
    return {
        "all": blocks,
        "the last alone": blocks[-1:],
        "all but the last": blocks[:-1],
        "all, the stream as blocks return it": tuple(replace(block, stream=None) for block in blocks),
    }


@torch.no_grad()
def embeddings(model: VisionModel, images: Images) -> Float[Tensor, "n d"]:
    """What the head is given."""
    return model(model.prepare(images.load())).embedding.double()


@torch.no_grad()
def hits(model: VisionModel, images: Images) -> float:
    """The part of the images that are answered rightly."""
    return float((model(model.prepare(images.load())).logits.argmax(1) == torch.tensor(images.labels)).float().mean())


def probe(model: VisionModel, targets: tuple[int, ...]) -> float:
    """How much of the targets a ridge regression on all training embeddings finds."""
    x, y = embeddings(model, SPLITS.train), one_hot(torch.tensor(SPLITS.train.labels)).double()
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / deviation
    weight = torch.linalg.solve(x.T @ x + torch.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    test = SPLITS.test.only(targets)
    found = ((embeddings(model, test) - mean) / deviation) @ weight + y.mean(0)
    return float((found.argmax(1) == torch.tensor(test.labels)).float().mean())


def tried(model: VisionModel, name: str, targets: tuple[int, ...]) -> tuple[float, float, float]:
    """Acc_f and Acc_r with rows in place, and the probe, after one request."""
    method, train = make_method(name), SPLITS.train
    context = Context(model, ActivationCache(model, method.first_block(model)))
    task = ForgetTask(targets, (), train.only(targets), train.without(targets), SPLITS.validation)
    stack = EditStack(model)
    stack.push(Edit(method.forget(context, task).deltas))
    test = SPLITS.test
    found = hits(model, test.only(targets)), hits(model, test.without(targets)), probe(model, targets)
    stack.undo()
    return found


def main() -> None:
    """Prints a line for each toy, variant and method."""
    for build, steps in STEPS.items():
        model = tiny.trained(build, steps)
        for what, blocks in variants(model.blocks).items():
            opened = VisionModel(model.module, model.classes, preprocess=model.preprocess, blocks=blocks)
            for name in ("closed-form", "closed-form++"):
                rows = zip(*(tried(opened, name, targets) for targets in REQUESTS), strict=True)
                figures = " / ".join(f"{100 * sum(row) / len(row):.1f}" for row in rows)
                sys.stdout.write(f"{build.__name__}, {what}, {name}: {figures}\n")


if __name__ == "__main__":
    main()
