"""The images of one plan: what is to be forgotten from the quarantine, all else from the data that is given."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from expunge.data import FileSample, Images, Sample, Splits, align, carve
from expunge.errors import RequestError
from expunge.ledger import DataFacts
from expunge.lifecycle.records import Attempt, newest
from expunge.runs import read
from expunge.tasks import Available
from expunge.workspace import Workspace
from expunge.workspace.creation import QUARANTINE
from expunge.workspace.submission import digest_of

VALIDATION = 0.2
"""Share of the images of a request by which a method chooses its best state."""
FORGET = "forget"

D = TypeVar("D")
A = TypeVar("A")


@dataclass(frozen=True)
class Material(Generic[D, A]):
    """What a method and the evidence work with, images or scenes.

    Attributes:
        splits: Training images without those of earlier requests, the quarantined ones of this plan among them;
            validation and test images.
        available: The same as a method sees it.
        missing: Names of retained classes that are tested and have no training image.
        facts: Counts and digests, by role.
    """

    splits: D
    available: A
    missing: tuple[str, ...]
    facts: tuple[DataFacts, ...]


def gather(
    workspace: Workspace, requests: Sequence[str], gone: Sequence[str], classes: Sequence[str], data: str, seed: int
) -> Material[Splits, Available]:
    """Puts the images of a plan together.

    Training images of the targets in `data` are left alone: the quarantined ones take their place. A test image that
    was submitted, too, is left out: what was learnt from cannot be measured on.

    Args:
        workspace: Where the quarantine is.
        requests: IDs of the plan.
        gone: Classes of this plan and of earlier requests.
        classes: The model's classes.
        data: What `load_data` takes.
        seed: Draws validation images.

    Raises:
        DataError: The data cannot be read, or does not fit the model.
        DamagedWorkspaceError: Quarantined images are missing.
    """
    given = align(read(data, seed=seed), classes, partial=True)
    out = {classes.index(name) for name in gone}
    retain, validation = given.train.without(out), given.validation.without(out)
    forget, held_out = carve(_quarantined(workspace, requests, classes), VALIDATION, seed)
    submitted = {sample_digest(sample) for images in (forget, held_out) for sample in images.samples}
    tests = [sample_digest(sample) for sample in given.test.samples]
    kept = [i for i, digest in enumerate(tests) if digest not in submitted]
    test, validation = given.test.select(kept), validation + held_out
    learnable = {*retain.labels, *validation.labels}
    missing = tuple(
        name for i, name in enumerate(classes) if i not in out and i not in learnable and i in set(test.labels)
    )
    return Material(
        splits=Splits(retain + forget, validation, test, given.skipped),
        available=Available(forget=forget, replay=retain, validation=validation),
        missing=missing,
        facts=(
            _facts("retain", map(sample_digest, retain.samples), len(retain)),
            _facts("validation", map(sample_digest, validation.samples), len(validation)),
            _facts("test", (tests[i] for i in kept), len(kept)),
        ),
    )


def last_data(workspace: Workspace) -> str:
    """Where the images of the newest attempt came from.

    Raises:
        RequestError: Nobody has said so yet.
    """
    found = [newest(workspace, request.id, Attempt) for request in workspace.requests()]
    rows = [one for one in found if one is not None]
    if not rows:
        raise RequestError("Name the folder with retained images and test images once: expunge run --data DIR")
    return max(rows, key=lambda one: one[0].seq)[1].data


def _quarantined(workspace: Workspace, requests: Sequence[str], classes: Sequence[str]) -> Images:
    root = workspace.path / QUARANTINE
    samples, labels = [], []
    for request in requests:
        for target, paths in workspace.images(request).items():
            samples += [FileSample(root, path.relative_to(root).as_posix()) for path in paths]
            labels += [classes.index(target)] * len(paths)
    return Images(tuple(samples), tuple(labels), tuple(classes))


def _facts(role: str, digests: Iterable[str], count: int) -> DataFacts:
    return DataFacts(role=role, count=count, sha256=digest_of(digests))


def sample_digest(sample: Sample) -> str:
    """SHA-256 of a file's bytes, or of the pixels of a sample that is no file."""
    if isinstance(sample, FileSample):
        return hashlib.sha256(sample.path.read_bytes()).hexdigest()
    pixels = sample.load()
    values = np.asarray(pixels) if isinstance(pixels, Image.Image) else pixels.detach().cpu().numpy()
    return hashlib.sha256(f"{values.dtype}{values.shape}".encode() + values.tobytes()).hexdigest()
