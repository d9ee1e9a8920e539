"""Oracles of a suite on detectors, trained once and kept by the hash of everything that decides what comes out."""

import copy
import json
import time
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import torch
from torch import nn

from expunge.bench.locks import in_turn
from expunge.bench.models import read_weights, write_weights
from expunge.bench.results import SCRATCH
from expunge.bench.scenes.detectors import SceneSuite
from expunge.vision.detection import DetectionModel

FEATURES = "scene-features"
"""The folder beside the models for what the backbone gives."""


class DetectorStore:
    """Trains the oracles of one suite and keeps what stands on their backbone in a folder.

    The key is the SHA-256 of the recipe, the seed, the forgotten classes, what scenes are made of, and the version of
    torch: change one of them and the oracle is trained again.
    """

    def __init__(self, folder: Path, suite: SceneSuite):
        """Nothing is read or trained yet."""
        self._folder, self._suite = folder, suite

    def oracle(self, forgotten: Sequence[str], seed: int) -> tuple[DetectionModel, float]:
        """A detector trained without the boxes of classes, and the seconds that its training took."""
        path = self._folder / f"{self.key(forgotten, seed)[:32]}.safetensors"
        if not path.is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            with in_turn(path):
                if not path.is_file():
                    write_weights(path, *self._trained(forgotten, seed))
        state, seconds = read_weights(path)
        model = copy.deepcopy(self._blank)
        model.module.get_submodule(self._suite.part).load_state_dict(state, strict=True)
        return model, seconds

    def key(self, forgotten: Sequence[str], seed: int) -> str:
        """The hash under which an oracle is kept, 64 hexadecimal digits."""
        decides = {
            "recipe": self._suite.recipe,
            "kind": SCRATCH,
            "seed": seed,
            "forgotten": sorted(forgotten),
            "pictures": self._suite.pictures(),
            "torch": torch.__version__,
        }
        return sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()

    def _trained(self, forgotten: Sequence[str], seed: int) -> tuple[nn.Module, float]:
        features = self._folder / FEATURES
        self._suite.features(features)
        started = time.perf_counter()
        module = self._suite.train(forgotten, seed, features)
        return module, time.perf_counter() - started

    @cached_property
    def _blank(self) -> DetectionModel:
        """A detector whose trained part gives way to an oracle's."""
        return self._suite.base()
