"""Reading a detector from a directory or from the Hugging Face Hub. No pickle is ever read."""

from collections import Counter
from pathlib import Path

from expunge.errors import CorruptWeightsError, HeadError
from expunge.vision._checkpoint import read_pretrained
from expunge.vision._hub import locate
from expunge.vision._quiet import quiet
from expunge.vision.detection.model import DetectionModel
from expunge.vision.detection.preprocess import load_detection_preprocess, one_size


def load_detector(source: str | Path) -> DetectionModel:
    """Loads an object detector of transformers, on the CPU and in float32.

    Where its image processor keeps the shape of pictures, they are padded to one size; see `one_size`.

    Args:
        source: A directory that `save_pretrained` or `DetectionModel.save` wrote, or the Hub id of an object detector,
            such as "SenseTime/deformable-detr".

    Raises:
        ModelNotFoundError: Nothing answers to `source`, or the directory lacks a file it needs.
        UnsafeWeightsError: The weights come as a pickle, or the model brings code of its own.
        CorruptWeightsError: A file is damaged, does not fit the model, or lacks parameters.
        QuantizedWeightsError: The weights are quantised.
        MissingExtraError: Its backbone is one of timm, which is not installed.
        HeadError: It is no object detector, or its classifier and classes differ in number.
        NoBlocksError: It has no blocks with feed-forward networks.
        DetectionError: Its configuration describes no set criterion.
    """
    folder = locate(source)
    with quiet():
        from transformers import AutoModelForObjectDetection
    try:
        module, missing = read_pretrained(AutoModelForObjectDetection, folder)
    except HeadError as error:
        raise HeadError(f"Expected an object detector in {folder}: {error}") from error
    if missing:
        raise CorruptWeightsError(
            f"The safetensors in {folder} lack {len(missing)} parameters, among them {min(missing)}; "
            "they would be left at random. Expected a trained object detector."
        )
    labels = module.config.id2label
    classes = unique_names([str(labels[index]) for index in range(len(labels))])
    name = folder.name if Path(source).is_dir() else str(source)
    preprocess = one_size(load_detection_preprocess(folder))
    return DetectionModel(module, classes, preprocess=preprocess, name=name, source=folder)


def unique_names(names: list[str]) -> list[str]:
    """Numbers names that several rows share, such as the "N/A" of DETR's unused rows, so that each means one row."""
    counts = Counter(names)
    return [name if counts[name] == 1 else f"{name} ({index})" for index, name in enumerate(names)]
