"""Forgetting methods: one file each, all behind the `Method` protocol."""

from expunge.methods.fine_tuning import FineTuning
from expunge.methods.gs_lora import GSLoRA
from expunge.methods.gs_lora_pp import GSLoRAPlusPlus
from expunge.methods.head_mask import HeadMask
from expunge.methods.protocol import EVERY_TASK, Method
from expunge.methods.registry import make_method, method_class, method_names, method_presets, method_tasks
from expunge.methods.training import Training
from expunge.tasks.classification.batches import Batch, Objective
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask, Progress

__all__ = [
    "EVERY_TASK",
    "Batch",
    "Context",
    "FineTuning",
    "ForgetTask",
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
]
