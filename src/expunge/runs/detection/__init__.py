"""Erasure requests on object detectors, carried out in order, measured and written down."""
