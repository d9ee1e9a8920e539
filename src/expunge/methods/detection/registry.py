"""Finds methods for detectors by name through the entry-point group `expunge.detection_methods`."""

from collections.abc import Mapping

from expunge.methods.protocol import Method
from expunge.methods.registry import Registry

REGISTRY: Registry[Method] = Registry("expunge.detection_methods", "method for detectors")


def detection_methods() -> tuple[str, ...]:
    """Names of all installed methods for detectors, sorted."""
    return REGISTRY.names()


def make_detection_method(
    name: str, *, preset: str | None = None, settings: Mapping[str, object] | None = None
) -> Method:
    """Builds a method from its defaults, then a preset, then single settings (numbers may come as text).

    Args:
        name: One of `detection_methods`, or "auto".
        preset: A named set of its settings.
        settings: Single settings on top.

    Raises:
        MethodError: Unknown method, preset or setting, or a value that does not fit.
    """
    return REGISTRY.make(name, preset=preset, settings=settings)
