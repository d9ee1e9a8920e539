"""Methods that make a detector forget classes of objects, where they are not written for every task."""

from expunge.methods.detection.registry import detection_methods, make_detection_method

__all__ = ["detection_methods", "make_detection_method"]
