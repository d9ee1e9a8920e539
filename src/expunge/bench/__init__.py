"""Suites that put methods side by side."""
