"""RandAugment (Cubuk et al., arXiv 1909.13719) on Pillow images, as extra samples of a data set."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from expunge.data.images import Images, Sample

Operation = Callable[[Image.Image, float], Image.Image]  # the second argument is the strength, -1 to 1


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


# Ranges at full strength are those of the paper's appendix (AutoAugment's).
OPERATIONS: dict[str, Operation] = {
    "identity": lambda image, v: image,
    "auto_contrast": lambda image, v: ImageOps.autocontrast(image),
    "equalize": lambda image, v: ImageOps.equalize(image),
    "rotate": lambda image, v: image.rotate(30 * v, Image.Resampling.BILINEAR),
    "solarize": lambda image, v: ImageOps.solarize(image, round(256 * (1 - abs(v)))),
    "posterize": lambda image, v: ImageOps.posterize(image, 8 - round(4 * abs(v))),
    "color": lambda image, v: ImageEnhance.Color(image).enhance(1 + 0.9 * v),
    "contrast": lambda image, v: ImageEnhance.Contrast(image).enhance(1 + 0.9 * v),
    "brightness": lambda image, v: ImageEnhance.Brightness(image).enhance(1 + 0.9 * v),
    "sharpness": lambda image, v: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * v),
    "shear_x": lambda image, v: _affine(image, (1.0, 0.3 * v, 0.0, 0.0, 1.0, 0.0)),
    "shear_y": lambda image, v: _affine(image, (1.0, 0.0, 0.0, 0.3 * v, 1.0, 0.0)),
    "translate_x": lambda image, v: _affine(image, (1.0, 0.0, 0.33 * v * image.width, 0.0, 1.0, 0.0)),
    "translate_y": lambda image, v: _affine(image, (1.0, 0.0, 0.0, 0.0, 1.0, 0.33 * v * image.height)),
}


def rand_augment(image: Image.Image, rng: random.Random, *, operations: int = 2, magnitude: int = 9) -> Image.Image:
    """Applies `operations` random operations at `magnitude` of 30, the sign of each drawn at random."""
    for _ in range(operations):
        operation = OPERATIONS[rng.choice(list(OPERATIONS))]
        image = operation(image, rng.choice((-1, 1)) * magnitude / 30)
    return image


@dataclass(frozen=True, slots=True)
class AugmentedSample:
    """One augmented copy of a sample; the same `seed` gives the same copy every time."""

    original: Sample
    copy: int
    seed: int

    @property
    def name(self) -> str:
        """The original's name and the number of the copy."""
        return f"{self.original.name}#{self.copy}"

    def load(self) -> Image.Image | Tensor:
        """The augmented image; a prepared tensor is mirrored at most, since Pillow's operations do not apply."""
        image = self.original.load()
        rng = random.Random(f"{self.seed}/{self.name}")
        mirror = rng.random() < 0.5
        if isinstance(image, Tensor):
            return image.flip(-1) if mirror else image
        return rand_augment(ImageOps.mirror(image) if mirror else image, rng)


def augment(images: Images, copies: int, seed: int) -> Images:
    """`copies` augmented copies of every image (mirrored at random, then RandAugment), without the originals."""
    samples = tuple(AugmentedSample(sample, k, seed) for sample in images.samples for k in range(copies))
    labels = tuple(label for label in images.labels for _ in range(copies))
    return Images(samples, labels, images.classes)
