"""Off-the-shelf image classifiers behind one face, their blocks and heads found by structure."""

from expunge.vision._config import architectures
from expunge.vision._functions import before_last
from expunge.vision._hub import locate
from expunge.vision.activations import ActivationCache, StateCache
from expunge.vision.blocks import find_blocks
from expunge.vision.classifiers import CosineClassifier, HeadedBackbone
from expunge.vision.device import autocast, choose_device
from expunge.vision.digest import digest
from expunge.vision.heads import STRUCK_LOGIT, ArcFaceHead, CosFaceHead, Head, SoftmaxHead
from expunge.vision.layer import Layer, Positions, chosen, mixes
from expunge.vision.loading import architecture_of, load_backbone, load_model, load_weights
from expunge.vision.model import VisionModel
from expunge.vision.onnx.loading import is_graph, is_onnx, load_onnx
from expunge.vision.output import Output
from expunge.vision.preprocess import HFPreprocess, Preprocess, load_preprocess, read_preprocess, standard_preprocess
from expunge.vision.prompts import TEMPLATES, Prompts, read_classes
from expunge.vision.recognise import is_classifier
from expunge.vision.saving import make_empty, save_backbone
from expunge.vision.timm import from_timm
from expunge.vision.wrapped import Wrapped
from expunge.vision.zero_shot import load_zero_shot

__all__ = [
    "STRUCK_LOGIT",
    "TEMPLATES",
    "ActivationCache",
    "ArcFaceHead",
    "CosFaceHead",
    "CosineClassifier",
    "HFPreprocess",
    "Head",
    "HeadedBackbone",
    "Layer",
    "Output",
    "Positions",
    "Preprocess",
    "Prompts",
    "SoftmaxHead",
    "StateCache",
    "VisionModel",
    "Wrapped",
    "architecture_of",
    "architectures",
    "autocast",
    "before_last",
    "choose_device",
    "chosen",
    "digest",
    "find_blocks",
    "from_timm",
    "is_classifier",
    "is_graph",
    "is_onnx",
    "load_backbone",
    "load_model",
    "load_onnx",
    "load_preprocess",
    "load_weights",
    "load_zero_shot",
    "locate",
    "make_empty",
    "mixes",
    "read_classes",
    "read_preprocess",
    "save_backbone",
    "standard_preprocess",
]
