"""The images of one plan: what is to be forgotten as it was submitted, all else from the data that are given."""

from collections.abc import Collection
from dataclasses import replace

from expunge.data import Images, Splits, carve, sample_digest
from expunge.tasks.request import Available, Gathered

VALIDATION = 0.2
"""Share of the submitted images by which a method chooses its best state."""


def gather_images(
    given: Splits[Images], submitted: Images, targets: Collection[int], earlier: Collection[int], seed: int
) -> Gathered[Images]:
    """Puts the images of a plan together.

    Training images of the targets in `given` are left alone: the submitted ones take their place. A test image that was
    submitted, too, is left out: what was learnt from cannot be measured on.
    """
    out = {*targets, *earlier}
    retain, validation = given.train.without(out), given.validation.without(out)
    forget, held_out = carve(submitted, VALIDATION, seed)
    learnt = {sample_digest(sample) for images in (forget, held_out) for sample in images.samples}
    kept = [i for i, sample in enumerate(given.test.samples) if sample_digest(sample) not in learnt]
    test, validation = given.test.select(kept), validation + held_out
    return Gathered(
        replace(given, train=retain + forget, validation=validation, test=test),
        Available(forget=forget, replay=retain, validation=validation),
        {"retain": retain, "validation": validation, "test": test},
    )
