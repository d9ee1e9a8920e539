"""Choosing where a model runs, and the name of its weights."""

import sys
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from expunge.errors import DeviceError, MissingExtraError
from expunge.vision import autocast, choose_device, from_timm
from expunge.vision.digest import digest

CUDA = torch.cuda.device_count() if torch.cuda.is_available() else 0


def test_auto_takes_what_is_there() -> None:
    assert choose_device().type == ("cuda" if CUDA else "cpu")


def test_a_device_may_be_named() -> None:
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("spec", ["gpu", "", "cuda:x"])
def test_what_is_no_device_is_refused(spec: str) -> None:
    with pytest.raises(DeviceError, match="such as auto"):
        choose_device(spec)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeviceError, match=f"has {CUDA} CUDA devices"):
        choose_device(f"cuda:{CUDA}")


def test_nothing_is_cast_on_the_cpu() -> None:
    assert isinstance(autocast(torch.device("cpu")), nullcontext)


def test_the_digest_covers_names_dtypes_shapes_and_values() -> None:
    def of(**tensors: torch.Tensor) -> str:
        module = nn.Module()
        for name, tensor in tensors.items():
            module.register_buffer(name, tensor)
        return digest(module)

    values = torch.arange(6.0)
    digests = [
        of(a=values),
        of(b=values),
        of(a=values.reshape(2, 3)),
        of(a=values.double()),
        of(a=values.bfloat16()),
        of(a=values.view(torch.int32)),  # the same bytes under another name of the type
        of(a=-values),
        of(a=values[:3], b=values[3:]),
    ]
    assert len(set(digests)) == len(digests)
    assert of(a=values, b=values) == of(b=values, a=values)
    assert of(a=torch.stack([values, values])[:, ::2]) == of(a=values[::2].repeat(2, 1))  # layout does not count


def test_the_digest_is_what_its_docstring_says() -> None:
    """Worked out with nothing but the standard library."""
    import hashlib
    import struct

    module = nn.Linear(2, 1)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.5, -2.0]]))
        module.bias.copy_(torch.tensor([0.25]))
    content = b'["bias", "float32", [1]]\n' + struct.pack("<f", 0.25)
    content += b'["weight", "float32", [1, 2]]\n' + struct.pack("<2f", 1.5, -2.0)
    assert digest(module) == hashlib.sha256(content).hexdigest()


def test_a_missing_timm_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r'pip install "expunge\[timm\]"'):
        from_timm("vit_tiny_patch16_224", ["a", "b"])
