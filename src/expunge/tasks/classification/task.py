"""The task of image classifiers: one class an image."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch

from expunge.data import Images, Splits, align, few_shot, is_coco, replay
from expunge.memory import Memory, Prototypes, compute_prototypes
from expunge.tasks.classification._gathering import gather_images
from expunge.tasks.classification._pictures import examples
from expunge.tasks.classification._reading import read_images
from expunge.tasks.classification.accuracy import Accuracies, mask_classes
from expunge.tasks.classification.context import Context
from expunge.tasks.classification.views import observe
from expunge.tasks.protocol import Task, silent
from expunge.tasks.request import Available, Gathered, Progress
from expunge.tasks.rows import HeadRows
from expunge.tasks.shown import Shown
from expunge.tasks.views import Observed, View
from expunge.vision import ActivationCache, VisionModel, architecture_of, is_classifier, load_model, load_weights


class Classification(Task[VisionModel, Images]):
    """Images with one class each; rates are accuracies."""

    name: ClassVar[str] = VisionModel.task
    noun: ClassVar[str] = "image classifier"
    thing: ClassVar[str] = "image"
    example: ClassVar[str] = "image"
    unit: ClassVar[str] = "accuracy"
    exports: ClassVar[bool] = True
    memories: ClassVar[bool] = True

    def recognises(self, folder: Path) -> bool:
        """A classifier of transformers, a headed backbone, or the weights of a classifier of ours."""
        return is_classifier(folder)

    def load(self, source: str | Path) -> VisionModel:
        """Loads a classifier; see `load_model`."""
        return load_model(source)

    def architecture(self, folder: Path) -> str | None:
        """Architecture that `expunge.json` names."""
        return architecture_of(folder)

    def restore(self, model: VisionModel, folder: Path) -> VisionModel:
        """The weights of `model.safetensors`."""
        return load_weights(model.module, folder)

    def lays_out(self, folder: Path) -> bool:
        """A folder with `train/`, and no boxes."""
        return (folder / "train").is_dir() and not is_coco(folder)

    def read(self, folder: Path, *, seed: int = 0, skip_unreadable: bool = False) -> Splits[Images]:
        """Folders `train/<class>` and `test/<class>`."""
        return read_images(folder, seed=seed, skip_unreadable=skip_unreadable)

    def align(
        self, data: Splits[Images], classes: Sequence[str], *, partial: bool, untrained: Collection[str] | None = None
    ) -> Splits[Images]:
        """Aligns data with a model; see `expunge.data.align`."""
        return align(data, classes, partial=partial, untrained=untrained)

    def gather(
        self,
        given: Splits[Images],
        submitted: Images,
        targets: Collection[int],
        earlier: Collection[int],
        seed: int,
    ) -> Gathered[Images]:
        """Submitted images of the targets, all others as given."""
        return gather_images(given, submitted, targets, earlier, seed)

    def few_shot(self, examples: Images, shots: int, seed: int) -> Images:
        """Exactly `shots` images of every class that has any."""
        return few_shot(examples, shots, seed)

    def replay(self, examples: Images, fraction: float, seed: int) -> Images:
        """A stratified share of the images."""
        return replay(examples, fraction, seed)

    def untouched_by(self, examples: Images, classes: Collection[int]) -> Images:
        """The images of all other classes."""
        return examples.without(classes)

    def cache(self, model: VisionModel, entry: int = 0, *, batch_size: int = 48) -> ActivationCache:
        """Hidden states of images."""
        return ActivationCache(model, entry, batch_size=batch_size)

    def prototypes(
        self, cache: ActivationCache, data: Available[Images], named: Collection[int], seed: int
    ) -> Prototypes:
        """Mean embeddings."""
        images = data.forget.only(named) + data.replay.without(named)
        return compute_prototypes(cache, images, seed=seed)

    def context(
        self,
        cache: ActivationCache,
        *,
        prototypes: Prototypes | None = None,
        seed: int = 0,
        report: Callable[[Progress], None] = silent,
        memory: Memory | None = None,
    ) -> Context:
        """Images, and statistics in place of them."""
        return Context(cache.model, cache, prototypes, seed, report, memory)

    def caches(self, models: Sequence[VisionModel]) -> tuple[ActivationCache, ...]:
        """They keep nothing, as each image is looked at once."""
        return tuple(ActivationCache(model, limit_bytes=0) for model in models)

    def observe(self, cache: ActivationCache, examples: Images) -> Observed:
        """With the mean token of every block."""
        return observe(cache, examples)

    def view(self, cache: ActivationCache, attack: Images, test: Images) -> View:
        """Both sets of images."""
        return View(observe(cache, attack), observe(cache, test))

    def look(
        self, cache: ActivationCache, test: Images, progress: Callable[[int], None] = lambda done: None
    ) -> Observed:
        """Embeddings and logits; blocks are not looked into."""
        output = cache.outputs(test, progress)
        return Observed(output.embedding, output.logits, torch.tensor(test.labels, dtype=torch.int64))

    def struck(self, seen: Observed, classes: Collection[int]) -> Observed:
        """Columns at minus infinity."""
        return replace(seen, logits=mask_classes(seen.logits, classes))

    def in_place(self, seen: Observed, rows: HeadRows, classes: Collection[int]) -> Observed:
        """Columns of the other head."""
        return replace(seen, logits=rows.put_back(seen.logits, seen.embedding, classes))

    def scores(self, seen: Observed, test: Images) -> Accuracies:
        """Accuracies."""
        return Accuracies(seen.logits, seen.labels)

    def show(self, test: Images, seen: Sequence[Observed], taken: Mapping[str, int]) -> Shown:
        """A few images."""
        return Shown(examples=examples(test, seen, taken))
