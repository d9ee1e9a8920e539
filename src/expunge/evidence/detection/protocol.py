"""What measures of detectors answer to, and what they are given."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from expunge.data import Scenes
from expunge.evidence.protocol import MeasureOf
from expunge.evidence.strangers.beside import Beside
from expunge.tasks.detection.views import DetectionView
from expunge.tasks.rows import HeadRows
from expunge.tasks.views import View


@dataclass(frozen=True, eq=False, kw_only=True)
class SceneCase:
    """One detector under test, and everything a measure may look at; the twin of `expunge.evidence.Case`.

    Attributes:
        view: What it makes of the scenes.
        original: The original detector's view, from before the first request.
        oracle: The view of a detector that never saw boxes of the forgotten classes; None where there is none.
        truth: The test scenes behind `view.test`.
        forget: Classes of the current request.
        earlier: Classes of earlier requests.
        retain: Classes that stay.
        missing: Those of `retain` of which no training scene was available to the method.
        seed: Seeds every random choice of the measure.
        rows: The classifier whose rows an attacker puts back: the original's; of an oracle, which no edit has made, its
            own. None where nobody kept it.
        beside: How the forgotten classes' objects stand beside strangers, where there are any.
    """

    view: DetectionView
    original: DetectionView
    oracle: DetectionView | None
    truth: Scenes
    forget: tuple[int, ...]
    earlier: tuple[int, ...]
    retain: tuple[int, ...]
    missing: tuple[int, ...] = ()
    seed: int = 0
    rows: HeadRows | None = None
    beside: Beside | None = None

    @property
    def forgotten(self) -> tuple[int, ...]:
        """Classes of this and all earlier requests, sorted."""
        return tuple(sorted({*self.forget, *self.earlier}))

    @property
    def features(self) -> View:
        """The features of the detector under test: of attack objects and of test objects."""
        return self.view.features


@runtime_checkable
class DetectionMeasure(MeasureOf[SceneCase], Protocol):
    """A measure of detectors: a frozen dataclass whose fields are its settings."""
