"""Suites on detectors: classes of objects go, scene by scene."""

from expunge.bench.scenes._detectors import SceneSuite

__all__ = ["SceneSuite"]
