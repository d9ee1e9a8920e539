"""An ONNX file and its external data: read within bounds, written with other numbers in the same places."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np

from expunge.errors import MissingExtraError, OnnxFileError, QuantizedWeightsError
from expunge.vision.onnx._wire import Place, places

MOST_BYTES = 2**31 - 1
"""Protobuf's limit for one message."""
MOST_EXTERNAL = 2**34
"""Bytes of external data that are read: the weights of four billion parameters."""
HALF, WHOLE = ("FLOAT16", "BFLOAT16"), ("FLOAT", "DOUBLE", "INT32", "INT64", "BOOL")


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """One ONNX model as it lies on disk; never changed, so copies share it.

    Attributes:
        data: The model file.
        external: Location, as the model file writes it -> the bytes of that file of external data.
        places: Initialiser -> where its numbers lie.
        proto: The parsed model; its tensors of external data are left there.
    """

    data: bytes
    external: Mapping[str, bytes]
    places: Mapping[str, Place]
    proto: Any

    def __deepcopy__(self, memo: object) -> Self:
        """The file itself."""
        return self

    def array(self, tensor: Any) -> np.ndarray:
        """The numbers of a tensor of this file.

        Raises:
            OnnxFileError: They are of a kind that is not read, or too few or many.
            QuantizedWeightsError: They are small integers.
        """
        from onnx import helper, numpy_helper

        kind = _kind(tensor)
        if not tensor.data_location:
            try:
                return numpy_helper.to_array(tensor)
            except (ValueError, TypeError, OverflowError) as error:
                raise OnnxFileError(f"the tensor {tensor.name!r} is damaged: {error}") from error
        place = self.places.get(tensor.name)
        if place is None or place.file is None:
            raise OnnxFileError(f"the tensor {tensor.name!r}, no initialiser, is kept outside the file")
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type).newbyteorder("<")
        values = np.frombuffer(self.external[place.file], np.uint8, place.length, place.start)
        shape = tuple(tensor.dims)
        if place.length != _numbers(shape) * dtype.itemsize:
            raise OnnxFileError(f"the tensor {tensor.name!r} of {kind} {shape} has {place.length:,} bytes of data")
        return values.view(dtype).reshape(shape)

    def replaced(self, changed: Mapping[str, np.ndarray]) -> "tuple[bytes, dict[str, bytes]]":
        """The model file and the external data, with the numbers of some initialisers replaced.

        Raises:
            OnnxFileError: The file keeps one of them in a form in which it cannot be replaced.
        """
        files: dict[str | None, bytearray] = {}
        for name, values in changed.items():
            place, numbers = self.places.get(name), np.ascontiguousarray(values, "<f4").tobytes()
            if place is None or place.length != len(numbers):
                raise OnnxFileError(
                    f"the file keeps {name!r} in a form in which it cannot be replaced; write it anew: "
                    "onnx.save(onnx.load(FILE), FILE)"
                )
            whole = files.setdefault(place.file, bytearray(self._bytes(place.file)))
            whole[place.start : place.start + place.length] = numbers
        external = {name: bytes(files.get(name, data)) for name, data in self.external.items()}
        return bytes(files.get(None, self.data)), external

    def digest_without(self, names: Iterable[str]) -> bytes:
        """SHA-256 of the model file with zeros for the numbers of some initialisers: a name for the graph itself."""
        whole = bytearray(self.data)
        for place in (self.places[name] for name in names if name in self.places):
            if place.file is None:
                whole[place.start : place.start + place.length] = bytes(place.length)
        return hashlib.sha256(whole).digest()

    def _bytes(self, file: str | None) -> bytes:
        return self.data if file is None else self.external[file]


def read_file(path: Path) -> OnnxFile:
    """Reads an ONNX file and the files of external data beside it. Sizes are known before anything is read.

    Raises:
        MissingExtraError: A package for ONNX is not installed.
        OnnxFileError: A file is missing, damaged or too large, or external data lie outside its folder.
    """
    require_onnx()
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    data = _read(path, MOST_BYTES)
    try:
        proto = ModelProto.FromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise OnnxFileError(f"{path} is damaged, or is no ONNX file: {error}") from error
    names = [tensor.name for tensor in proto.graph.initializer]
    if len(names) != len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise OnnxFileError(f"{path} is damaged: it has the initialiser {twice!r} twice")
    outside = {tensor.name: _outside(tensor) for tensor in proto.graph.initializer if tensor.data_location}
    locations = dict.fromkeys(place.file for place in outside.values() if place.file is not None)
    external = {name: _read(_beside(path, name), MOST_EXTERNAL) for name in locations}
    placed = {**places(data), **{name: _placed(name, place, external) for name, place in outside.items()}}
    return OnnxFile(data, external, placed, proto)


def require_onnx() -> None:
    """Makes sure that ONNX files can be read, and checked in ONNX Runtime.

    Raises:
        MissingExtraError: Something is not installed.
    """
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"ONNX files need {', '.join(missing)}, not installed here. Run: pip install 'expunge[onnx]'"
        )


def _read(path: Path, most: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > most:
            raise OnnxFileError(f"{path} has {size:,} bytes; at most {most:,} are read")
        return path.read_bytes()
    except OSError as error:
        raise OnnxFileError(f"{path} cannot be read: {error.strerror or error}") from error


def _outside(tensor: Any) -> Place:
    """What a tensor says of its external data; an offset and a length where it names none are 0 and -1."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    try:
        return Place(said["location"], int(said.get("offset", "0")), int(said.get("length", "-1")))
    except (KeyError, ValueError) as error:
        raise OnnxFileError(f"the tensor {tensor.name!r} does not say where its external data lie: {error}") from error


def _beside(path: Path, location: str) -> Path:
    """The file of external data, which must lie in the model's folder."""
    parts, folder = PurePosixPath(location.replace("\\", "/")), path.parent
    try:
        target = folder / parts
        inside = not parts.is_absolute() and ".." not in parts.parts and parts.parts
        inside = inside and ":" not in location and target.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise OnnxFileError(f"{path} names external data at {location!r}: {error}") from error
    if not inside:
        raise OnnxFileError(
            f"{path} names external data at {location!r}, outside its own folder, which is never read: move the data "
            "beside the model and save it with that location"
        )
    if not target.is_file():
        raise OnnxFileError(f"{path} keeps weights in {location!r} beside it, and there is no such file: copy it, too")
    return target


def _placed(name: str, place: Place, external: Mapping[str, bytes]) -> Place:
    assert place.file is not None
    size = len(external[place.file])
    length = size - place.start if place.length < 0 else place.length
    if not 0 <= place.start <= place.start + length <= size:
        raise OnnxFileError(f"the tensor {name!r} lies beyond the {size:,} bytes of {place.file!r}")
    return Place(place.file, place.start, length)


def _kind(tensor: Any) -> str:
    """The type of a tensor's numbers.

    Raises:
        OnnxFileError: It is not one that is read.
        QuantizedWeightsError: It is a small integer's.
    """
    from onnx import TensorProto

    kinds = {number: kind for kind, number in TensorProto.DataType.items()}
    kind = kinds.get(tensor.data_type, str(tensor.data_type))
    if kind in HALF:
        raise OnnxFileError(
            f"the tensor {tensor.name!r} is {kind}: edit the model in float32, as it was exported, and convert the "
            "edited file to half precision afterwards"
        )
    if "INT4" in kind or "INT8" in kind or kind.startswith("FLOAT8"):
        raise QuantizedWeightsError(
            f"the tensor {tensor.name!r} is {kind}, as in a quantised model: edit the model as it was before, and "
            "quantise the edited file anew"
        )
    if kind not in WHOLE:
        raise OnnxFileError(f"the tensor {tensor.name!r} is {kind}; expected {', '.join(WHOLE)}")
    return kind


def _numbers(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count
