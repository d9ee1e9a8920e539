"""What oracles show: each is looked at once, and it is noted whose weights were seen."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True)
class OracleViews(Generic[V]):
    """Views of the oracles of one stand.

    Attributes:
        look: Number of a request, from 1 -> the view of the oracle after it, and the digest of the oracle's weights.
        digests: Request -> digest of the weights of the oracle, of those that were looked at so far.
    """

    look: Callable[[int], tuple[V, str]]
    digests: dict[int, str] = field(default_factory=dict)
    _views: dict[int, V] = field(default_factory=dict)

    def after(self, number: int) -> V:
        """The view of the oracle after request `number`; it is trained and looked at when it is first asked for."""
        if number not in self._views:
            self._views[number], self.digests[number] = self.look(number)
        return self._views[number]
