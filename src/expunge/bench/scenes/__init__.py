"""Suites on detectors: classes of objects go, scene by scene."""

from expunge.bench.scenes.detectors import SceneSuite

__all__ = ["SceneSuite"]
