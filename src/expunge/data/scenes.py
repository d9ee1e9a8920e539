"""Scenes: images with boxes, an ordered, frozen list whose pixels are read only when asked for."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from PIL import Image

from expunge.data.images import Sample
from expunge.data.pixels import Pixels
from expunge.errors import DataError, DuplicateClassError, EmptyClassError, SceneError

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """One object in an image.

    Attributes:
        corners: Left, top, right and bottom in pixels from the image's upper left corner.
        label: Index of its class.
        crowd: Whether it stands for a group that nobody counted: never learned from, and neither right nor wrong to
            find.
    """

    corners: Corners
    label: int
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """One image and the boxes in it.

    Attributes:
        sample: The image.
        width: Its width in pixels, upright.
        height: Its height in pixels, upright.
        boxes: The objects that can be learned; may be empty.
        crowds: The groups, kept apart.
    """

    sample: Sample
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    crowds: tuple[Box, ...] = ()

    def holds(self, classes: Collection[int]) -> bool:
        """Whether an object of one of `classes` is in it; groups do not count."""
        return any(box.label in classes for box in self.boxes)

    def load(self) -> Pixels:
        """Reads the image.

        Raises:
            UnreadableImageError: It cannot be decoded.
            SceneError: It is of another size, so its boxes would lie elsewhere.
        """
        image = self.sample.load()
        if isinstance(image, Image.Image) and image.size != (self.width, self.height):
            raise SceneError(
                f"image {self.sample.name} is {image.width} x {image.height} pixels upright, its boxes were drawn on "
                f"{self.width} x {self.height}: use the images that the annotations were made for"
            )
        return image


@dataclass(frozen=True, slots=True)
class Notice:
    """Something in a data set that was mended or is worth knowing, counted.

    Attributes:
        what: What it is.
        count: How often it occurred.
        example: The first of them.
    """

    what: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Scenes:
    """Images with boxes.

    Attributes:
        scenes: The images, in a fixed order; some may hold no box.
        classes: Names of all classes, also of those without a box here.
        notices: What was mended when the data set was read.

    Raises:
        DuplicateClassError: One class is named twice.
        DataError: An image is there twice, or a label is outside `classes`.
    """

    scenes: tuple[Scene, ...]
    classes: tuple[str, ...]
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(self.classes).items() if count > 1]
        if twice:
            raise DuplicateClassError(f"class {twice[0]!r} is named more than once: give each class its own name")
        again = [sample.name for sample, count in Counter(scene.sample for scene in self.scenes).items() if count > 1]
        if again:
            raise DataError(f"image {again[0]} is there more than once: list each image once, with all of its boxes")
        labels = {box.label for scene in self.scenes for box in (*scene.boxes, *scene.crowds)}
        outside = sorted(label for label in labels if not 0 <= label < len(self.classes))
        if outside:
            raise DataError(f"label {outside[0]} names no class: there are {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.scenes)

    def __add__(self, other: "Scenes") -> "Scenes":
        """The scenes of both, one after the other.

        Raises:
            DataError: They are not of the same classes in the same order, or share an image.
        """
        if self.classes != other.classes:
            raise DataError("scenes of other classes cannot be joined: bring both into one order first")
        return Scenes((*self.scenes, *other.scenes), self.classes, (*self.notices, *other.notices))

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The images without their boxes."""
        return tuple(scene.sample for scene in self.scenes)

    def select(self, indices: Iterable[int]) -> "Scenes":
        """The scenes at `indices`, in the order given.

        Raises:
            DataError: An index is outside 0 to `len(self) - 1`.
        """
        indices = tuple(indices)
        wrong = next((i for i in indices if not 0 <= i < len(self)), None)
        if wrong is not None:
            raise DataError(f"index {wrong} is outside 0 to {len(self) - 1}: there are {len(self)} images")
        return replace(self, scenes=tuple(self.scenes[i] for i in indices))

    def holding(self, classes: Collection[int]) -> "Scenes":
        """The scenes in which an object of `classes` (indices) is, with all of their boxes.

        Raises:
            DataError: An index names no class.
            EmptyClassError: One of the classes has no box here.
        """
        wanted = self._checked(classes)
        counts = self.counts()
        boxless = sorted(label for label in wanted if counts[label] == 0)
        if boxless:
            names = ", ".join(repr(self.classes[label]) for label in boxless)
            raise EmptyClassError(
                f"no box of class {names} in these {len(self)} images: expected at least one box of each class asked "
                "for (groups marked as crowd do not count); add images, or ask for other classes"
            )
        return self.select(i for i, scene in enumerate(self.scenes) if scene.holds(wanted))

    def only(self, classes: Collection[int]) -> "Scenes":
        """The scenes in which an object of `classes` (indices) is, with the boxes of these classes alone.

        Raises:
            DataError: An index names no class.
            EmptyClassError: One of the classes has no box here.
        """
        others = set(range(len(self.classes))) - self._checked(classes)
        return self.holding(classes).without(others)

    def without(self, classes: Collection[int]) -> "Scenes":
        """All scenes, without the boxes and groups of `classes` (indices); images may stay behind without any box.

        Raises:
            DataError: An index names no class.
        """
        unwanted = self._checked(classes)

        def rest(boxes: tuple[Box, ...]) -> tuple[Box, ...]:
            return tuple(box for box in boxes if box.label not in unwanted)

        kept = (replace(scene, boxes=rest(scene.boxes), crowds=rest(scene.crowds)) for scene in self.scenes)
        return replace(self, scenes=tuple(kept))

    def counts(self) -> tuple[int, ...]:
        """Number of boxes of each class, groups not counted."""
        counter = Counter(box.label for scene in self.scenes for box in scene.boxes)
        return tuple(counter[label] for label in range(len(self.classes)))

    def image_counts(self) -> tuple[int, ...]:
        """Number of images that hold each class, groups not counted."""
        counter = Counter(label for scene in self.scenes for label in {box.label for box in scene.boxes})
        return tuple(counter[label] for label in range(len(self.classes)))

    def _checked(self, classes: Collection[int]) -> frozenset[int]:
        for index in classes:
            if not 0 <= index < len(self.classes):
                raise DataError(f"class index {index} names no class: there are {len(self.classes)} classes")
        return frozenset(classes)
