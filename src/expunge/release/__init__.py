"""Models that may be served: published whole, gone back from at once, compared side by side, explained on paper."""

from expunge.release.certificate_page import render_certificate
from expunge.release.compare import Comparison, compare
from expunge.release.digests import edit_digest
from expunge.release.folder import Releases
from expunge.release.mcnemar import McNemar, mcnemar
from expunge.release.onnx import OnnxCheck, check_onnx, export_onnx
from expunge.release.record import ReleaseRecord

__all__ = [
    "Comparison",
    "McNemar",
    "OnnxCheck",
    "ReleaseRecord",
    "Releases",
    "check_onnx",
    "compare",
    "edit_digest",
    "export_onnx",
    "mcnemar",
    "render_certificate",
]
