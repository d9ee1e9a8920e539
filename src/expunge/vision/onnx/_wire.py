"""Where the numbers of each initialiser lie in the bytes of an ONNX file, so that they can be replaced in place.

An ONNX file is one protobuf message. Written anew by a library, its fields may come out in another order; here nothing
but the numbers changes. Field numbers are those of onnx.proto3, the encoding is protobuf's: a key (field number × 8 +
wire type), then a varint, 4 or 8 bytes, or a length and so many bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from expunge.errors import OnnxFileError

GRAPH, INITIALIZER = 7, 5
NAME, RAW_DATA, FLOAT_DATA = 8, 9, 4
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Place:
    """A run of bytes.

    Attributes:
        file: Location of the external data, as the model file writes it; None for the model file itself.
        start: Offset of the first byte.
        length: Number of bytes.
    """

    file: str | None
    start: int
    length: int


def places(data: bytes) -> dict[str, Place]:
    """Initialiser -> the bytes of its numbers, for every one that keeps them as one run in the file.

    Raises:
        OnnxFileError: The bytes are no protobuf message.
    """
    found = {}
    for graph in _messages(data, 0, len(data), GRAPH):
        for tensor in _messages(data, *graph, INITIALIZER):
            names, runs = [], []
            for number, wire, start, end in _fields(data, *tensor):
                if number == NAME:
                    names.append(data[start:end].decode(errors="replace"))
                elif number in (RAW_DATA, FLOAT_DATA) and wire == _LENGTH:
                    runs.append(Place(None, start, end - start))
            if len(names) == len(runs) == 1:
                found[names[0]] = runs[0]
    return found


def _messages(data: bytes, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    for number, wire, first, last in _fields(data, start, end):
        if number == wanted and wire == _LENGTH:
            yield first, last


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, and where the value begins and ends, of each field of one message."""
    while start < end:
        key, start = _varint(data, start, end)
        wire = key & 7
        if wire == _VARINT:
            _, last = _varint(data, start, end)
        elif wire == _LENGTH:
            length, start = _varint(data, start, end)
            last = start + length
        elif wire in (_FOUR, _EIGHT):
            last = start + (4 if wire == _FOUR else 8)
        else:
            raise OnnxFileError(f"the file is damaged: a field of wire type {wire} at byte {start}")
        if last > end:
            raise OnnxFileError(f"the file is damaged: it ends within the field at byte {start}")
        yield key >> 3, wire, start, last
        start = last


def _varint(data: bytes, start: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if start >= end:
            break
        byte = data[start]
        start += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, start
    raise OnnxFileError(f"the file is damaged: a number without an end at byte {start}")
