"""Changes of weights: group-sparse LoRA, dense changes, the stack of edits on a model, and edits on disk."""

from expunge.adapters.attach import attached, to_edit
from expunge.adapters.edit import Edit, LowRank
from expunge.adapters.groups import Grouping, group_norms, group_penalty, make_groups, proximal_step
from expunge.adapters.lora import LoRA, LoRAConv2d, LoRALinear
from expunge.adapters.stack import EditStack
from expunge.adapters.store import load_edit, save_edit
from expunge.adapters.tuned import Tuned, tuned

__all__ = [
    "Edit",
    "EditStack",
    "Grouping",
    "LoRA",
    "LoRAConv2d",
    "LoRALinear",
    "LowRank",
    "Tuned",
    "attached",
    "group_norms",
    "group_penalty",
    "load_edit",
    "make_groups",
    "proximal_step",
    "save_edit",
    "to_edit",
    "tuned",
]
