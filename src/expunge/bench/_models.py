"""Models of a suite, trained once and kept by the hash of everything that decides what comes out."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save
from torch import nn

from expunge.bench._locks import in_turn
from expunge.bench._results import FINETUNE
from expunge.bench.benchmark import Benchmark
from expunge.data import Examples
from expunge.durable import replace_file

Kind = Literal["base", "oracle-scratch", "oracle-finetune"]


@dataclass(frozen=True)
class TrainedModel:
    """A model and how long its training took, in seconds, whenever that was."""

    model: Any
    seconds: float


class ModelStore:
    """Trains the models of one suite and keeps their weights in a folder.

    The key is the SHA-256 of the recipe, the kind, the seed, the forgotten classes, what trainings read, and the
    version of torch: change one of them and the model is trained again. Suites that agree share models, and
    processes that want one at the same time wait for the first to train it.

    The same training gives other weights on another processor or with another number of threads. So base models have a
    folder of their own, to be kept beside the results: cells of one suite, setting and seed must start from one model.
    """

    def __init__(self, folder: Path, suite: Benchmark, examples: Examples, bases: Path | None = None):
        """`examples` are all that trainings may read; `bases` is where base models are kept, by default `folder`."""
        self._folder, self._suite, self._examples, self._bases = folder, suite, examples, bases or folder

    @cached_property
    def _data(self) -> Mapping[str, str]:
        return self._suite.learns_from(self._examples)

    def base(self, seed: int) -> Any:
        """The model before any request."""
        seed = 0 if self._suite.one_base else seed
        given = seed == 0 and self._suite.shipped
        return self._suite.base() if given else self._get("base", (), seed).model

    def apart(self) -> "ModelStore":
        """A store of the same models whose base models are not to be kept beside the results."""
        return ModelStore(self._folder, self._suite, self._examples)

    def oracle(self, kind: Kind, forgotten: Sequence[int], seed: int) -> TrainedModel:
        """A model without `forgotten`: trained from the suite's own start, or fine-tuned from the base model."""
        return self._get(kind, tuple(sorted(forgotten)), seed)

    def _get(self, kind: Kind, forgotten: tuple[int, ...], seed: int) -> TrainedModel:
        folder = self._bases if kind == "base" else self._folder
        path = folder / f"{self.key(kind, forgotten, seed)[:32]}.safetensors"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            with in_turn(path):
                if not path.is_file():
                    write_weights(path, *self._trained(kind, forgotten, seed))
        return self._load(path)

    def _trained(self, kind: Kind, forgotten: tuple[int, ...], seed: int) -> tuple[nn.Module, float]:
        folder = self._suite.prepare(self._folder)
        start = self.base(seed) if kind == FINETUNE else None
        started = time.perf_counter()
        module = self._suite.learn(self._examples, forgotten, seed, start, folder)
        return module, time.perf_counter() - started

    def key(self, kind: Kind, forgotten: tuple[int, ...], seed: int) -> str:
        """The hash under which a model is kept, 64 hexadecimal digits."""
        decides = {
            "recipe": self._suite.recipe,
            "kind": kind,
            "seed": seed,
            "forgotten": [self._examples.classes[c] for c in forgotten],
            **self._data,
            "torch": torch.__version__,
        }
        return sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()

    def _load(self, path: Path) -> TrainedModel:
        model = self._suite.base()
        state, seconds = read_weights(path)
        model.module.get_submodule(self._suite.part).load_state_dict(state, strict=True)
        return TrainedModel(model, seconds)


def read_weights(path: Path) -> tuple[dict[str, torch.Tensor], float]:
    """Weights by name, and seconds, as `write_weights` wrote them."""
    state = load_file(path)
    seconds = float(state.pop("__seconds__"))
    return state, seconds


def write_weights(path: Path, module: nn.Module, seconds: float) -> None:
    """Keeps a module's weights and how long its training took."""
    state = {name: t.detach().cpu().contiguous().clone() for name, t in module.state_dict().items()}
    state["__seconds__"] = torch.tensor(seconds, dtype=torch.float64)
    replace_file(path, save(state))
