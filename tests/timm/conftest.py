"""Makes a torchvision that was built for CUDA importable beside a CPU torch."""

import torch

_TORCHVISION = None
if torch.version.cuda is None:
    # On import torchvision registers fake kernels for these operators, and dies where there are none.
    _TORCHVISION = torch.library.Library("torchvision", "DEF")
    _TORCHVISION.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _TORCHVISION.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
