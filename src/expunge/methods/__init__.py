"""Forgetting methods: one file each, all behind the `Method` protocol."""

from expunge.methods.closed_form import ClosedForm
from expunge.methods.fine_tuning import FineTuning
from expunge.methods.gs_lora import GSLoRA
from expunge.methods.gs_lora_pp import GSLoRAPlusPlus
from expunge.methods.head_mask import HeadMask
from expunge.methods.protocol import EVERY_TASK, Method, uses_memory
from expunge.methods.registry import make_method, method_class, method_names, method_presets, method_tasks
from expunge.methods.sequence import Forgetting
from expunge.methods.training import Training
from expunge.tasks import ForgetTask, Progress
from expunge.tasks.classification import Batch, Context, Objective

__all__ = [
    "EVERY_TASK",
    "Batch",
    "ClosedForm",
    "Context",
    "FineTuning",
    "ForgetTask",
    "Forgetting",
    "GSLoRA",
    "GSLoRAPlusPlus",
    "HeadMask",
    "Method",
    "Objective",
    "Progress",
    "Training",
    "make_method",
    "method_class",
    "method_names",
    "method_presets",
    "method_tasks",
    "uses_memory",
]
