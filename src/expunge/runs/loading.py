"""Models and data by name: a directory, an ONNX file, a hub id or `zoo:NAME`, whatever task stands behind it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from expunge.data import Splits
from expunge.errors import AmbiguousTaskError, DataLayoutError, ModelError, TaskError
from expunge.tasks import Task, find_task, task_names
from expunge.tasks.classification import Classification
from expunge.vision import Preprocess, Wrapped, choose_device, is_onnx, load_onnx, locate
from expunge.zoo import PREFIX, data_entry, model_entry


def task_at(source: str | Path, name: str | None = None) -> Task[Any, Any]:
    """The task of the model that `load` would load; no weights are read.

    Args:
        source: A directory, an ONNX file, a hub id or `zoo:NAME`.
        name: The task that is asked for; None for whichever it is. What no task recognises is left to
            classification, whose loader says what it lacks.

    Raises:
        ModelNotFoundError: Nothing answers to `source`.
        UnsafeWeightsError: A model of the Hub has no safetensors.
        CorruptWeightsError: A directory of ours is damaged.
        AmbiguousTaskError: Several tasks could take it, and none is named.
        TaskError: Another task is named than it is made for, or none that is installed.
    """
    if str(source).startswith(PREFIX):
        found = [find_task(model_entry(str(source)).task)]
    elif is_onnx(source):
        found = [find_task(Classification.name)]
    else:
        folder = locate(source)
        found = [task for task in map(find_task, task_names()) if task.recognises(folder)]
    names = [task.name for task in found]
    if name is not None:
        wanted = find_task(name)
        if names and name not in names:
            raise TaskError(f"{source} is an {found[0].noun}; expected a model for the task {name!r}")
        return wanted
    if len(found) > 1:
        raise AmbiguousTaskError(source, names)
    return found[0] if found else find_task(Classification.name)


def load(
    source: str | Path,
    *,
    task: str | None = None,
    device: str = "auto",
    classes: Sequence[str] | str | Path | None = None,
    preprocess: Preprocess | str | Path | None = None,
) -> Any:
    """Loads a model: a directory, an ONNX file, a hub id or `zoo:NAME`, of any task; `model.task` says which.

    Args:
        source: Where it is.
        task: The task, where several could take it.
        device: auto, cpu, cuda, cuda:1 or mps.
        classes: For an ONNX file: names in the order of the logits, or a text file with one a line.
        preprocess: For an ONNX file: how pictures become pixels, or a file that says so; see `vision.load_onnx`.

    Returns:
        A `VisionModel`, a `DetectionModel`, or whatever the models of another task are.

    Raises:
        ModelError: The model cannot be found, is unsafe to read, damaged or of no known structure.
        AmbiguousTaskError: Several tasks could take it, and none is named.
        TaskError: It is for another task than the one that is named, or no such task is installed.
    """
    target, text = choose_device(device), str(source)
    found = task_at(source, task)
    if is_onnx(source):
        return load_onnx(source, classes, preprocess).to(target)
    if classes is not None or preprocess is not None:
        raise ModelError(f"class names and preprocessing are for ONNX files alone, and {source} has its own: omit them")
    if text.startswith(PREFIX):
        return model_entry(text).model().to(target)
    architecture = found.architecture(Path(source)) if Path(source).is_dir() else None
    if architecture is not None and architecture.startswith(PREFIX):
        return found.restore(model_entry(architecture).model(), Path(source)).to(target)
    return found.load(source).to(target)


def read(
    source: str | Path,
    *,
    like: Wrapped | None = None,
    task: str | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
) -> Splits[Any]:
    """Reads a folder of data, or the data of `zoo:NAME`.

    Args:
        source: `train/<class>/*` and `test/<class>/*` for classifiers, COCO's layout for detectors, or the name.
        like: A model that the data are for.
        task: The task that they are for, where there is no model; by default what the folder is laid out for.
        seed: Draws validation examples, or composes scenes.
        skip_unreadable: Leaves out pictures that are not there or cannot be decoded, instead of refusing them.

    Raises:
        DataError: The folder is laid out wrongly, or a part of it cannot be used.
        ModelNotFoundError: There is no `zoo:NAME` with data for the task.
        TaskError: There is no such task.
    """
    name = like.task if like is not None else task
    if str(source).startswith(PREFIX):
        entry = data_entry(str(source))
        fits = name is not None and entry.task in find_task(name).like
        return (entry if fits else data_entry(str(source), name)).data(seed)
    folder = Path(source)
    return (_laid_out(folder) if name is None else find_task(name)).read(
        folder, seed=seed, skip_unreadable=skip_unreadable
    )


def _laid_out(folder: Path) -> Task[Any, Any]:
    """The task that a folder of data is laid out for.

    Raises:
        DataLayoutError: It is laid out for none, or for several.
    """
    found = [task for task in map(find_task, task_names()) if task.lays_out(folder)]
    if len(found) != 1:
        names = ", ".join(task.name for task in found) or "none"
        raise DataLayoutError(f"{folder} is laid out for these tasks: {names}; say for which it is: like=model")
    return found[0]
