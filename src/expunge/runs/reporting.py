"""Turns a finished run into the values that the report shows."""

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch

from expunge.adapters import Edit
from expunge.data import Examples
from expunge.evidence import Metrics, change_of
from expunge.evidence.report import ClassAccuracy, GroupNorms, Report
from expunge.tasks import Scores, find_task
from expunge.values import Block


def build_report(
    metrics: Metrics,
    test: Examples,
    blocks: Sequence[Block],
    edits: Sequence[Edit],
    seen: Sequence[Any],
    *,
    title: str,
    command: str,
) -> Report:
    """The report of one run.

    Args:
        metrics: The run's figures.
        test: The test data.
        blocks: The model's blocks.
        edits: One edit a request.
        seen: What `Task.look` gave of the test data: of the original model, then after each request.
        title: Heading of the report.
        command: How to repeat the run.
    """
    task = find_task(metrics.task)
    taken = {name: n for n, request in enumerate(metrics.requests, start=1) for name in request.classes}
    gone = [label for label, name in enumerate(test.classes) if name in taken]
    scores = [task.scores(one, test) for one in seen]
    shown = task.show(test, seen, taken)
    return Report(
        title=title,
        metrics=metrics,
        classes=_class_rates(test.classes, scores, taken),
        groups=GroupNorms(
            names=tuple(block.name for block in blocks),
            norms=tuple(tuple(block_norm(edit, block) for block in blocks) for edit in edits),
        ),
        examples=shown.examples,
        command=command,
        environment=environment(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        scenes=shown.scenes,
        answers=shown.answers,
        forgotten=None if task.alone else change_of(scores[0], scores[-1], gone),
    )


def block_norm(edit: Edit, block: Block) -> float:
    """Euclidean norm of all that an edit stores for one block, LoRA matrices and dense changes; 0.0 where pruned."""
    lows = [low for name, low in edit.deltas.items() if name.startswith(f"{block.name}.")]
    dense = [change for name, change in edit.dense.items() if name.startswith(f"{block.name}.")]
    tensors = [*(t for low in lows for t in (low.a, low.b)), *dense]
    return float(sum(float(t.double().square().sum()) for t in tensors) ** 0.5)


def environment() -> Mapping[str, str]:
    """Versions and hardware, for the report's last section."""
    names = ("expunge", "torch", "transformers")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        **{name: version(name) for name in names},
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": str(torch.get_num_threads()),
        "GPU": gpu,
    }


def _class_rates(
    classes: Sequence[str], scores: Sequence[Scores], taken: Mapping[str, int]
) -> tuple[ClassAccuracy, ...]:
    before, *after = [[one.rate([label]) for label in range(len(classes))] for one in scores]
    return tuple(
        ClassAccuracy(
            name=name,
            n=before[c].n,
            before=before[c].percent,
            after=tuple(rates[c].percent for rates in after),
            forgotten_at=taken.get(name),
        )
        for c, name in enumerate(classes)
        if before[c].n
    )
