"""Turns a finished run into the values that the report shows."""

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

import torch
from torch import Tensor

from expunge.adapters import Edit
from expunge.data import Images, thumbnail
from expunge.evidence import Metrics, change_of
from expunge.evidence.report import ClassAccuracy, Example, GroupNorms, Prediction, Report
from expunge.tasks import Observed, Scores, find_task
from expunge.values import Block

PER_REQUEST, RETAINED = 2, 4
"""Sample images shown: of every request, and of the classes that stay."""


def build_report(
    metrics: Metrics,
    test: Images,
    blocks: Sequence[Block],
    edits: Sequence[Edit],
    seen: Sequence[Observed],
    *,
    title: str,
    command: str,
) -> Report:
    """The report of one run.

    Args:
        metrics: The run's figures.
        test: The test images, in the order of the logits.
        blocks: The model's blocks.
        edits: One edit a request.
        seen: Answers to the test images: of the original model, then after each request.
        title: Heading of the report.
        command: How to repeat the run.
    """
    forgotten = {name: n for n, request in enumerate(metrics.requests, start=1) for name in request.classes}
    task = find_task(metrics.task)
    scores = [task.scores(one, test) for one in seen]
    gone = [label for label, name in enumerate(test.classes) if name in forgotten]
    return Report(
        title=title,
        metrics=metrics,
        classes=_class_rates(test, scores, forgotten),
        groups=GroupNorms(
            names=tuple(block.name for block in blocks),
            norms=tuple(tuple(block_norm(edit, block) for block in blocks) for edit in edits),
        ),
        examples=tuple(
            _example(test, i, [one.logits for one in seen], forgotten) for i in _chosen(test, metrics) if task.alone
        ),
        command=command,
        environment=environment(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
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


def _class_rates(test: Images, scores: Sequence[Scores], forgotten: Mapping[str, int]) -> tuple[ClassAccuracy, ...]:
    before, *after = [[one.rate([label]) for label in range(len(test.classes))] for one in scores]
    return tuple(
        ClassAccuracy(
            name=name,
            n=before[c].n,
            before=before[c].percent,
            after=tuple(rates[c].percent for rates in after),
            forgotten_at=forgotten.get(name),
        )
        for c, name in enumerate(test.classes)
        if before[c].n
    )


def _chosen(test: Images, metrics: Metrics) -> list[int]:
    """The first test image of a few classes: chosen by position, never by how well the model does on it."""
    first = {}
    for position, label in enumerate(test.labels):
        first.setdefault(test.classes[label], position)
    gone = [name for request in metrics.requests for name in request.classes[:PER_REQUEST]]
    every = {name for request in metrics.requests for name in request.classes}
    stay = [name for name in test.classes if name not in every and name in first][:RETAINED]
    return [first[name] for name in (*gone, *stay)]


def _example(test: Images, index: int, logits: Sequence[Tensor], forgotten: Mapping[str, int]) -> Example:
    truth = test.classes[test.labels[index]]
    predictions = []
    for one in logits:
        probabilities = one[index].double().softmax(dim=0)
        top = int(probabilities.argmax())
        predictions.append(Prediction(test.classes[top], float(probabilities[top])))
    return Example(
        png=thumbnail(test.samples[index].load()),
        truth=truth,
        request=forgotten.get(truth),
        predictions=tuple(predictions),
    )
