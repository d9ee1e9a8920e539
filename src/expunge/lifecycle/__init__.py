"""From an accepted request to a signed, released edit, and back: runner, releases, certificates, and the watch."""

from expunge.lifecycle.asked import Asked, Outcome
from expunge.lifecycle.certificate import certificate_text
from expunge.lifecycle.economics import Prices, economics
from expunge.lifecycle.going_back import RolledBack, rollback
from expunge.lifecycle.releasing import Released, release
from expunge.lifecycle.runner import run_waiting
from expunge.lifecycle.watch import Point, history, warnings

__all__ = [
    "Asked",
    "Outcome",
    "Point",
    "Prices",
    "Released",
    "RolledBack",
    "certificate_text",
    "economics",
    "history",
    "release",
    "rollback",
    "run_waiting",
    "warnings",
]
