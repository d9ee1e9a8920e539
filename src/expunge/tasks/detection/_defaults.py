"""Defaults of training on detectors: cost, strength of the forgetting loss, and published constants."""

from collections.abc import Mapping

BUDGET: Mapping[str, object] = {"max_steps": 40, "batch_size": 8, "lr": 5e-4, "beta": 0.5}
"""Budget for small scenes: 40 steps of 8 scenes of each kind; `beta` weighs the loss on forget scenes."""

DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "gs-lora": {**BUDGET, "lr": 1e-2},
    "gs-lora++": {**BUDGET, "lr": 1e-2},
    "l2": BUDGET,
    "ewc": {**BUDGET, "samples": 64},
    "mas": {**BUDGET, "samples": 64},
    "lwf": BUDGET,
    "der": BUDGET,
    "der++": BUDGET,
    "neg-grad+": {**BUDGET, "beta": 0.05},
    "retrain": {**BUDGET, "lr": 1e-3},
}
"""Method -> settings in which detectors differ from the method's own defaults."""

GS_LORA: Mapping[str, object] = {
    "rank": 8,
    "lora_alpha": 1.0,
    "epochs": 30,
    "max_steps": 0,
    "validate_every": 5,
    "batch_size": 32,
    "lr": 3e-4,
    "min_lr": 3e-4,
    "weight_decay": 1e-4,
    "beta": 0.15,
    "bound": 15.0,
    "alpha": 3e-4,
    "warmup": 0.0,
    "sparsity": "subgradient",
}
"""Constants of the released run of Deformable DETR on COCO (github.com/bjzhb666/GS-LoRA, branch object-det).

`scripts/run_cl.sh`: 8 cards of 4 pictures a step, and β set by hand for every task (.15 .15 .35 .6 .15 .2 .2; ours is
the first). BND is from its `engine.py`, where it bounds the class term over all queries; here it bounds another loss,
see `expunge.tasks.detection._losses`, and `bound=0` derives one on that scale. α counts from the first step. The
learning rate drops after 40 epochs, so never in 30. loralib's alpha of 1 gives a scaling of 1/8. There gradients are
clipped to a norm of 0.1, here they are not. The look at validation scenes every 5 epochs is ours.
"""

GS_LORA_PP: Mapping[str, object] = {
    **GS_LORA,
    "prototype_forget": 0.005,
    "prototype_retain": 0.0,
    "prototype_bound": 18.0,
    "ema_start": 1.0,
}
"""The released detectors are trained without a weight average, and without a pull of retained prototypes.

An average that starts at the very end is the weights themselves. Their BND_pro of 18 is for the other direction of the
divergence, see `expunge.methods._losses.prototype_divergence`.
"""

PRESETS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "gs-lora": {"published": GS_LORA},
    "gs-lora++": {"published": GS_LORA_PP},
    "retrain": {"published": {"lr": 3e-4, "max_steps": 0}},
}
"""Method -> presets in place of the method's own."""
