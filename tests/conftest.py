"""What every test runs under: shapes checked, no network, one thread, the same random numbers.

Loaded before any other conftest and any test, so that the import hook sees every module of the package.
It must not import `expunge` itself.
"""

import errno
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from jaxtyping import install_import_hook

from tests import runtime_types

try:
    import numpy as np
    import torch
except ImportError:  # the base package alone: see `make test-light`
    np = torch = None

# Each function of the package checks, at every call, the shapes and types that its annotations promise.
install_import_hook("expunge", f"{runtime_types.__name__}.check")

# Read once, when transformers and datasets are imported. A model or data set that happens to lie in the
# developer's own cache must not make a test pass.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_HOME"] = str(Path(__file__).parents[1] / ".cache" / "huggingface")

# The same examples on every run: a failure on one machine is a failure on all.
hypothesis.settings.register_profile("expunge", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("expunge")


def _refuse_the_network() -> None:
    """Makes everything but loopback unreachable, as on a machine without a network."""
    connect, connect_ex, resolve = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def is_near(host: Any) -> bool:
        name = host.decode() if isinstance(host, bytes) else host
        return not name or name in ("localhost", "::1", "::", "0.0.0.0") or str(name).startswith("127.")

    def is_far(address: Any) -> bool:
        return isinstance(address, tuple) and not is_near(address[0])  # a path is a socket of this machine

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if is_far(address):
            raise OSError(errno.ENETUNREACH, f"tests reach loopback only, not {address[0]}")
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        return errno.ENETUNREACH if is_far(address) else connect_ex(self, address)

    def guarded_resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_near(host):
            raise socket.gaierror(socket.EAI_FAIL, f"tests reach loopback only, not {host}")
        return resolve(host, *args, **kwargs)

    socket.socket.connect = guarded_connect
    socket.socket.connect_ex = guarded_connect_ex
    socket.getaddrinfo = guarded_resolve


_refuse_the_network()


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Seeds whatever a test may draw from, no matter what ran before it."""
    random.seed(0)
    if np is not None and torch is not None:
        np.random.seed(0)
        torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Keeps torch on one thread: faster for tiny tensors, and sums come out the same on every machine."""
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def toy_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ViT trained on the stripes of `tests.toy`, as transformers saves it. Do not write to it."""
    pytest.importorskip("torch")
    from tests import toy

    return toy.write_model(tmp_path_factory.mktemp("toy-model") / "model")


@pytest.fixture(scope="session")
def toy_clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CLIP trained on the stripes of `tests.toy` and their names, as it is published. Do not write to it."""
    from tests import toy_clip

    return toy_clip.write_trained(tmp_path_factory.mktemp("toy-clip") / "clip")


@pytest.fixture(scope="session")
def toy_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image folder of stripes. Do not write to it."""
    pytest.importorskip("torch")
    from tests import toy

    return toy.write_images(tmp_path_factory.mktemp("toy-data") / "data")


@pytest.fixture(scope="session")
def toy_onnx(tmp_path_factory: pytest.TempPathFactory, toy_model_folder: Path) -> Path:
    """A folder with the toy model as `model.onnx`, `names.txt` and `how.json`: seconds by torch's exporter."""
    import json

    from expunge.vision import load_model
    from tests.toy import CLASSES, SIZE
    from tests.vision.onnx_files import export

    folder = tmp_path_factory.mktemp("toy-onnx")
    export(load_model(toy_model_folder).module, folder / "model.onnx", SIZE)
    (folder / "names.txt").write_text("\n".join(CLASSES))
    how = {"size": [SIZE, SIZE], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    (folder / "how.json").write_text(json.dumps(how))
    return folder
