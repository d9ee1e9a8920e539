"""Forgetting methods: one file each, all behind the `Method` protocol."""

from expunge.methods.gs_lora import GSLoRA
from expunge.methods.gs_lora_pp import GSLoRAPlusPlus
from expunge.methods.head_mask import HeadMask
from expunge.methods.protocol import Context, ForgetTask, Method, Progress
from expunge.methods.registry import make_method, method_class, method_names

__all__ = [
    "Context",
    "ForgetTask",
    "GSLoRA",
    "GSLoRAPlusPlus",
    "HeadMask",
    "Method",
    "Progress",
    "make_method",
    "method_class",
    "method_names",
]
