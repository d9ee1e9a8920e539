"""Forget classes and people from pre-trained vision models, with evidence.

Names are imported when first used, so that `import expunge` stays fast.

Example:
    >>> import expunge
    >>> run = expunge.forget("zoo:faces", "zoo:faces", requests=[["s01", "s02"], ["s03"]])
    >>> run.metrics.requests[-1].acc_f.after
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expunge.adapters import Edit, EditStack, load_edit, save_edit
    from expunge.data import Images, Scenes, Splits, from_hf, from_torch
    from expunge.methods import make_method, method_names
    from expunge.runs import (
        ForgetRun,
        SceneRun,
        forget,
        forget_scenes,
        load_any_model,
        load_data,
        load_model,
        load_scenes,
    )
    from expunge.vision import ArcFaceHead, CosFaceHead, SoftmaxHead, VisionModel
    from expunge.vision.detection import DetectionModel

_HOMES = {
    "expunge.adapters": ("Edit", "EditStack", "load_edit", "save_edit"),
    "expunge.data": ("Images", "Splits[Scenes]", "Scenes", "Splits", "from_hf", "from_torch"),
    "expunge.methods": ("make_method", "method_names"),
    "expunge.runs": (
        "ForgetRun",
        "SceneRun",
        "forget",
        "forget_scenes",
        "forget_scenes",
        "load_any_model",
        "load_any_model",
        "load_data",
        "load_model",
        "load_scenes",
    ),
    "expunge.vision": ("ArcFaceHead", "CosFaceHead", "SoftmaxHead", "VisionModel"),
    "expunge.vision.detection": ("DetectionModel",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__version__ = version("expunge")
__all__ = [
    "ArcFaceHead",
    "CosFaceHead",
    "DetectionModel",
    "Edit",
    "EditStack",
    "ForgetRun",
    "Images",
    "SceneRun",
    "Scenes",
    "SoftmaxHead",
    "Splits",
    "VisionModel",
    "__version__",
    "forget",
    "forget_scenes",
    "from_hf",
    "from_torch",
    "load_any_model",
    "load_data",
    "load_edit",
    "load_model",
    "load_scenes",
    "make_method",
    "method_names",
    "save_edit",
]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'expunge' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
