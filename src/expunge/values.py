"""The small frozen values that travel between floors. Nothing here imports torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a model and the layers in it that may be edited.

    Attributes:
        name: Qualified module name of the block, as in `named_modules()`.
        linears: Qualified names of the Linear layers of its feed-forward network (FFN), expanding ones first, the
            contracting one last; or of its convolutions on the way to the last one, which writes to the stream.
        stream: Where the residual stream is: the qualified name of the module that is given it, such as an activation
            after the sum; the block's own where that is no module but the last function it calls; the last layer's
            where it is what that layer gives; None where it is what the block returns.
    """

    name: str
    linears: tuple[str, ...]
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval of a rate, both ends in percent."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Rate:
    """Rate of an event: `hits` out of `n` trials."""

    hits: int
    n: int

    @property
    def percent(self) -> float:
        """The rate in percent; 0.0 where there was no trial."""
        return 100.0 * self.hits / self.n if self.n else 0.0


CLASSIFICATION = "classification"
"""The task of records that name none: before there were others, none needed to."""


def recorded_task(name: str) -> str | None:
    """A task as records name it."""
    return None if name == CLASSIFICATION else name
