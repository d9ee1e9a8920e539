"""From an accepted request to a signed, released edit, and back: runner, releases, certificates, and the watch."""

from expunge.lifecycle.asked import RunOptions, Outcome
from expunge.lifecycle.certificate import certificate_text
from expunge.lifecycle.economics import Prices, economics
from expunge.lifecycle.executor import policy
from expunge.lifecycle.going_back import RolledBack, rollback
from expunge.lifecycle.interference import overlaps
from expunge.lifecycle.releasing import Released, release
from expunge.lifecycle.runner import run_waiting
from expunge.lifecycle.standing import original_of, pristine, require_releasable, applied_edits
from expunge.lifecycle.strangers import keep_strangers, prepare_strangers, reopen
from expunge.lifecycle.watch import Point, catch_up, history, warnings
from expunge.lifecycle.watch_page import in_words, render_watch

__all__ = [
    "RunOptions",
    "Outcome",
    "Point",
    "Prices",
    "Released",
    "RolledBack",
    "catch_up",
    "certificate_text",
    "economics",
    "history",
    "in_words",
    "keep_strangers",
    "original_of",
    "overlaps",
    "policy",
    "prepare_strangers",
    "pristine",
    "release",
    "render_watch",
    "reopen",
    "require_releasable",
    "rollback",
    "run_waiting",
    "applied_edits",
    "warnings",
]
