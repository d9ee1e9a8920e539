"""What training a detector may cost where nobody says otherwise, and how hard it pushes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SceneBudget:
    """Defaults of trained methods on detectors, to stand before those of a method that is written for both tasks.

    The budget is that of small scenes: 40 steps of 8 scenes of each kind.

    Attributes:
        max_steps: Steps at the most; 0 sets no limit.
        batch_size: Scenes of each kind a step.
        lr: Learning rate at the start.
        beta: Weight of the loss on forget scenes, where a method has one.
    """

    max_steps: int = 40
    batch_size: int = 8
    lr: float = 5e-4
    beta: float = 0.5
