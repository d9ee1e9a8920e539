"""Models that may be served: published whole, gone back from at once, compared side by side, explained on paper."""

from expunge.release.certificate_page import render_certificate
from expunge.release.compare import Comparison, compare
from expunge.release.compare_page import write_page
from expunge.release.describing import among, describing, differing
from expunge.release.digests import edit_digest
from expunge.release.folder import CURRENT, Releases
from expunge.release.mcnemar import McNemar, mcnemar
from expunge.release.onnx import OnnxCheck, check_onnx, export_onnx
from expunge.release.pictures import answers, list_pictures, readable, require_same_classes
from expunge.release.record import FILE, ReleaseRecord, read_release

__all__ = [
    "CURRENT",
    "FILE",
    "Comparison",
    "McNemar",
    "OnnxCheck",
    "ReleaseRecord",
    "Releases",
    "among",
    "answers",
    "check_onnx",
    "compare",
    "describing",
    "differing",
    "edit_digest",
    "export_onnx",
    "list_pictures",
    "mcnemar",
    "read_release",
    "readable",
    "render_certificate",
    "require_same_classes",
    "write_page",
]
