"""Forgotten classes in line with strangers, classes that the model never saw, all looked at in the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.tasks import View
from expunge.vision import VisionModel, Wrapped

Side = Literal["above", "below"]
"""On which side of classes that a model never saw those stand that it knows."""


@dataclass(frozen=True, eq=False)
class Lineup:
    """Forgotten classes and strangers before the same retained classes, as one model sees them.

    Classes are numbered as in the model; strangers, which have no row in its head, go on counting from there. All
    candidates have as many attack images as each other, and as many test images, so that nothing but the classes
    themselves, and what the model has learnt of them, can tell them apart.

    To a detector each object in a scene is what an image is to a classifier: its row in the view is what the query that
    stands there says. Which query that is is decided by boxes alone, for forgotten classes, strangers and retained
    classes alike: what it is called there plays no part (`expunge.vision.detection.locate`). So a class whose row
    was struck and a person who never had one are found in the same way. Strangers are in no training scene; whom a
    detector saw without a box it learnt to be silent at, which is another kind of never having learnt.

    Attributes:
        model: The model, live, on its device. Measures leave it as they found it.
        view: What it makes of the images, or objects, of retained classes and of candidates.
        attack: Images behind `view.attack`; None for a detector.
        test: Images behind `view.test`; None for a detector.
        retain: Classes that stay.
        forgotten: Classes of this and all earlier requests that are looked at.
        strangers: Classes that the model never saw.
        seed: Seeds every random choice of a measure.
    """

    model: Wrapped
    view: View
    attack: Images | None
    test: Images | None
    retain: tuple[int, ...]
    forgotten: tuple[int, ...]
    strangers: tuple[int, ...]
    seed: int = 0

    @property
    def candidates(self) -> tuple[int, ...]:
        """The forgotten classes, then the strangers: the order of what `ByClass.by_class` gives."""
        return (*self.forgotten, *self.strangers)

    def pictured(self) -> tuple[VisionModel, Images, Images]:
        """The classifier with attack and test images, for what looks at pictures.

        Raises:
            EvidenceError: There are objects in scenes instead.
        """
        if not isinstance(self.model, VisionModel) or self.attack is None or self.test is None:
            raise EvidenceError("Expected a lineup of pictures, got objects in scenes. Leave the measure out.")
        return self.model, self.attack, self.test


def images_each(forgotten: Sequence[int], strangers: Sequence[int]) -> int:
    """Number of images of each candidate, given how many there are of each.

    As many as the poorest forgotten class has, or as seven strangers of eight have if that is less. Fewer images make
    values coarser, and fewer strangers make p-values so; an eighth of them, rounded up, is the price for not going by
    the poorest. Of one or two strangers none is given up.
    """
    given_up = -(-len(strangers) // 8) if len(strangers) > 2 else 0
    return min(*forgotten, sorted(strangers)[given_up])


@runtime_checkable
class ByClass(Protocol):
    """A measure whose rows, or some of them, have a value for each class by itself.

    The value must treat all candidates alike: who of them was forgotten and who is a stranger must not enter it. Then,
    if the model knows no more of the forgotten classes than of the strangers, all orders of the values are as likely.

    Attributes:
        known_side: Row key -> the side on which classes stand that the model knows, for every key it can give. A key
            need not be a row of the scorecard; its label stands in `labels` of the measure all the same.
    """

    known_side: ClassVar[Mapping[str, Side]]

    def by_class(self, lineup: Lineup) -> Mapping[str, Float[Tensor, " candidates"]]:
        """One value a candidate for each key that can be taken here, in the order of `lineup.candidates`."""
        ...
