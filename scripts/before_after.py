"""Peak memory and seconds of the demo and of one request on a random ViT-B/16, in two versions, one after the other.

    python scripts/before_after.py OLD_PYTHON NEW_PYTHON > docs/results/before-after.jsonl

OLD_PYTHON and NEW_PYTHON are interpreters that import the two versions, such as those of two virtual environments. The
method is `closed-form` on both sides: what `auto` stands for changed in between. One thread.
"""

import inspect
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROUNDS = 2
DEMO = ("-m", "expunge", "demo", "--method", "closed-form")
CLASSES, TRAIN, TEST = 5, 10, 2
"""Classes, and random images of each; a fifth of those for training is drawn for validation."""


def vit_request() -> None:
    """One request to a random ViT-B/16 at 224 px, changed in place."""
    import torch
    import transformers
    from PIL import Image

    import expunge

    torch.manual_seed(0)
    names = {number: f"class-{number}" for number in range(CLASSES)}
    module = transformers.ViTForImageClassification(transformers.ViTConfig(id2label=names))
    with tempfile.TemporaryDirectory() as scratch:
        model, data = Path(scratch, "model"), Path(scratch, "data")
        module.save_pretrained(model)
        transformers.ViTImageProcessorPil().save_pretrained(model)
        for part, count in (("train", TRAIN), ("test", TEST)):
            for name in names.values():
                (data / part / name).mkdir(parents=True)
                for number in range(count):
                    pixels = torch.randint(256, (224, 224, 3), dtype=torch.uint8).numpy()
                    Image.fromarray(pixels).save(data / part / name / f"{number}.png", compress_level=0)
        del module
        more: dict[str, Any] = {"inplace": True} if "inplace" in inspect.signature(expunge.forget).parameters else {}
        run = expunge.forget(model, data, [["class-0"]], method="closed-form", **more)
    sys.stdout.write(f"{run.metrics.requests[0].images}\n")


def spent(python: str, *arguments: str) -> dict[str, float]:
    """Runs a command to its end: seconds by the clock, seconds of the processor, and the most memory it held."""
    started = time.perf_counter()
    child = os.posix_spawn(python, [python, *arguments], {**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{python} {' '.join(arguments)} ended with {status}")
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss * 1024 / 1e6),
    }


def main(old: str, new: str) -> None:
    """Prints what both versions spent, one line each, round after round."""
    stdout = os.dup(1)
    os.dup2(2, 1)  # what the commands say goes where messages go
    for number in range(ROUNDS):
        for version, python in (("before", old), ("after", new)):
            for work, arguments in (("demo", DEMO), ("request to a random ViT-B/16", (__file__, "--vit"))):
                with tempfile.TemporaryDirectory() as scratch:
                    more = ("--out", f"{scratch}/demo") if work == "demo" else ()
                    found = spent(python, *arguments, *more)
                line = json.dumps({"work": work, "version": version, "round": number, **found})
                os.write(stdout, f"{line}\n".encode())


if __name__ == "__main__":
    vit_request() if sys.argv[1:] == ["--vit"] else main(*sys.argv[1:])
