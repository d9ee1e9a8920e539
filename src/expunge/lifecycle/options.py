"""Options that a runner is given, and the outcome that it reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from expunge.lifecycle._records import Judgement
from expunge.workspace import Request


@dataclass(frozen=True)
class RunOptions:
    """Options for making edits.

    Attributes:
        data: Folder or `zoo:NAME` with retained images and test images; None takes what was given last.
        method: Name of the method, or "auto"; records hold the name of the method that was taken.
        preset: A named set of its settings.
        settings: Single settings on top.
        device: Where to compute.
        seed: Seeds splits, method and measures.
        together: Whether all that waits is carried out as one edit. Such an edit can only be undone as a whole.
    """

    data: str | None = None
    method: str = "auto"
    preset: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    device: str = "cpu"
    seed: int = 0
    together: bool = False


@dataclass(frozen=True)
class Outcome:
    """Outcome of a plan.

    Attributes:
        requests: Its requests, as they stand now.
        judged: The last judgement; None if there was none.
        why: Why it failed; empty if it did not.
    """

    requests: tuple[Request, ...]
    judged: Judgement | None
    why: str = ""
