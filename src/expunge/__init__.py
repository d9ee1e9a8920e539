"""Forget classes and people from pre-trained vision models, with evidence.

Names are imported when first used, so that `import expunge` stays fast.

Example:
    >>> import expunge
    >>> model = expunge.load("zoo:faces")  # any task; model.task says which
    >>> run = expunge.forget(model, "zoo:faces", [["s01", "s02"], ["s03"]])  # a copy; inplace=True on demand
    >>> run.metrics.requests[-1].acc_f.after
"""

import warnings
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expunge.adapters import Edit, EditStack, load_edit, save_edit
    from expunge.data import Images, Scenes, Splits, from_hf, from_torch
    from expunge.evidence import judge
    from expunge.facade import Workspace
    from expunge.methods import make_method, method_names
    from expunge.runs import ForgetRun, forget, load, measure, read
    from expunge.vision import ArcFaceHead, CosFaceHead, SoftmaxHead, VisionModel
    from expunge.vision.detection import DetectionModel

_HOMES = {
    "expunge.adapters": ("Edit", "EditStack", "load_edit", "save_edit"),
    "expunge.data": ("Images", "Scenes", "Splits", "from_hf", "from_torch"),
    "expunge.evidence.verdict": ("judge",),
    "expunge.facade": ("Workspace",),
    "expunge.methods": ("make_method", "method_names"),
    "expunge.runs": ("ForgetRun", "forget", "load", "measure", "read"),
    "expunge.vision": ("ArcFaceHead", "CosFaceHead", "SoftmaxHead", "VisionModel"),
    "expunge.vision.detection": ("DetectionModel",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_FORMER = {
    "SceneRun": "ForgetRun",
    "SceneSplits": "Splits",
    "forget_scenes": "forget",
    "load_any_model": "load",
    "load_data": "read",
    "load_model": "load",
    "load_scenes": "read",
}
"""Names of version 0.1, which warn and go with version 0.3 -> today's."""

__version__ = version("expunge")
__all__ = [
    "ArcFaceHead",
    "CosFaceHead",
    "DetectionModel",
    "Edit",
    "EditStack",
    "ForgetRun",
    "Images",
    "Scenes",
    "SoftmaxHead",
    "Splits",
    "VisionModel",
    "Workspace",
    "__version__",
    "forget",
    "from_hf",
    "from_torch",
    "judge",
    "load",
    "load_edit",
    "make_method",
    "measure",
    "method_names",
    "read",
    "save_edit",
]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use (PEP 562)."""
    if name in _FORMER:
        warnings.warn(f"expunge.{name} is called expunge.{_FORMER[name]} now", DeprecationWarning, stacklevel=2)
        name = _FORMER[name]
    if name not in _HOME_OF:
        raise AttributeError(f"module 'expunge' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
