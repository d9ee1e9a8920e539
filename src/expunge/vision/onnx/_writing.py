"""An edited module as the file that it was read from, with the numbers of edited initialisers replaced in place."""

from pathlib import Path

from expunge.errors import OnnxFileError
from expunge.vision.onnx._module import OnnxModule
from expunge.vision.onnx._runtime import WRITTEN, compare


def write(module: OnnxModule, path: Path) -> tuple[str, ...]:
    """Writes a module as an ONNX file, and its external data beside it; checked in ONNX Runtime.

    Nothing but the numbers of edited initialisers differs from the file that was read, in any byte.

    Args:
        module: The module.
        path: The new file; its folder must exist.

    Returns:
        Names of the initialisers that differ.

    Raises:
        OnnxFileError: The file cannot be written, or ONNX Runtime answers otherwise than the module.
    """
    changed = module.changed()
    data, external = module.file.replaced(changed)
    try:
        for location, numbers in external.items():
            beside = path.parent / location
            if beside.resolve() == path.resolve():
                raise OnnxFileError(f"the external data are called {location!r}, as the model itself would be")
            beside.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(numbers)
        path.write_bytes(data)
    except OSError as error:
        raise OnnxFileError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        compare(module, path, WRITTEN)
    except OnnxFileError as error:
        raise OnnxFileError(f"{path}, just written: {error}") from error
    return tuple(changed)
