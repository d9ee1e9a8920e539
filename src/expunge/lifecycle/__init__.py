"""From an accepted request to a signed, released edit, and back: runner, releases, certificates, and the watch."""

from expunge.lifecycle.applied import applied_edits, original_of, pristine, require_releasable
from expunge.lifecycle.certificate import certificate_text
from expunge.lifecycle.economics import Prices, economics
from expunge.lifecycle.executor import policy
from expunge.lifecycle.interference import overlaps
from expunge.lifecycle.options import Outcome, RunOptions
from expunge.lifecycle.releasing import Released, release
from expunge.lifecycle.rolling_back import RolledBack, rollback
from expunge.lifecycle.runner import run_waiting
from expunge.lifecycle.strangers import keep_strangers, prepare_strangers, reopen
from expunge.lifecycle.watch import Point, catch_up, history, warnings
from expunge.lifecycle.watch_page import in_words, render_watch

__all__ = [
    "Outcome",
    "Point",
    "Prices",
    "Released",
    "RolledBack",
    "RunOptions",
    "applied_edits",
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
    "warnings",
]
