"""Suites on detectors: classes of objects go, scene by scene."""
