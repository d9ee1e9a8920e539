"""Carries out a run for the command line: loads, runs, writes, shows; on a classifier or on a detector."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from expunge.cli._console import errors, metrics_table, output, progress_bar, show_notices
from expunge.cli._interrupt import heed_ctrl_c
from expunge.cli._onnx_options import refuse_in_vain, told_of
from expunge.errors import RequestError

if TYPE_CHECKING:
    from expunge.methods import Method
    from expunge.runs import ForgetRun, RunFolder
    from expunge.vision import Wrapped


@dataclass(frozen=True)
class ForgetOptions:
    """Everything that makes a run what it is; written to `run.json` and compared on `--resume`."""

    model: str
    data: str
    requests: tuple[tuple[str, ...], ...]
    missing: tuple[str, ...] = ()
    shots: int | None = None
    replay: float = 1.0
    method: str = "auto"
    preset: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    seed: int = 0
    skip_unreadable: bool = False
    partial: bool = False
    memory: str | None = None
    task: str | None = None
    classes: str | None = None
    preprocess: str | None = None

    def noted(self, method: str) -> dict[str, object]:
        """What `run.json` says; the method under the name that auto is now, which may change with a version."""
        values, later = asdict(replace(self, method=method)), ("task", "classes", "preprocess")
        return {key: value for key, value in values.items() if value is not None or key not in later}


def execute(asked: ForgetOptions, *, out: Path, resume: bool, device: str, title: str) -> None:
    """Runs what was asked and fills `out`. Nothing is left there if no request was finished."""
    from expunge.runs import RunFolder
    from expunge.vision import choose_device

    choose_device(device)
    refuse_in_vain([asked.model], asked.classes, asked.preprocess)
    method = _method(asked)
    noted = asked.noted(method.name)
    folder = RunFolder(out)
    folder.reopen(noted) if resume else folder.create(noted)
    try:
        run = _carry_out(asked, method, folder, device)
        command = shlex.join(["expunge", *sys.argv[1:]])
        folder.write_report(run.report_html(title=title, command=command))
        folder.write_model(run.model.save)
    except KeyboardInterrupt:
        errors.print(_what_is_kept(folder, len(asked.requests)))
        raise
    finally:
        folder.discard_if_empty()
    output.print(metrics_table(run.metrics))
    output.print(f"report: {escape(str(out / 'report.html'))}", soft_wrap=True, highlight=False)
    _tell_how_saved(run.model, out)


def _method(asked: ForgetOptions) -> "Method":
    """The method, of the kind that the model wants.

    Raises:
        RequestError: An option was given that the model's task has no use for.
        MethodError: There is no such method, or not with these settings.
        ModelError: There is no such model.
    """
    from expunge.methods import make_method
    from expunge.runs import task_at

    task = task_at(asked.model, asked.task)
    if asked.memory is not None and not task.memories:
        raise RequestError(f"no statistics are kept of an {task.noun}, and {asked.model} is one: leave --memory out")
    return make_method(asked.method, task=task.name, preset=asked.preset, settings=asked.settings)


def _carry_out(asked: ForgetOptions, method: "Method", folder: "RunFolder", device: str) -> "ForgetRun":
    from expunge.memory import load_memory
    from expunge.runs import forget, load, read

    with errors.status("loading the model"):
        told = told_of(asked.model, asked.classes, asked.preprocess)
        model = load(asked.model, task=asked.task, device=device, **told)
    with errors.status("loading the data"):
        memory = None if asked.memory is None else load_memory(Path(asked.memory))
        data = read(asked.data, like=model, seed=asked.seed, skip_unreadable=asked.skip_unreadable)
    for path in data.skipped:
        errors.print(f"[yellow]skipped[/] {escape(path)}: not a readable image")
    show_notices(data.notices)
    with heed_ctrl_c(), progress_bar() as show:
        return forget(
            model,
            data,
            asked.requests,
            method=method,
            shots=asked.shots,
            missing=asked.missing,
            replay=asked.replay,
            partial=asked.partial,
            seed=asked.seed,
            memory=memory,
            report=show,
            folder=folder,
            inplace=True,
        )


def _tell_how_saved(model: "Wrapped", out: Path) -> None:
    """Says so where plain transformers cannot read the merged model."""
    graph = out / "model" / "model.onnx"
    if graph.is_file():
        output.print(
            f"model: {escape(str(graph))}, the same graph with only the edited numbers changed", soft_wrap=True
        )
    origin = getattr(model, "origin", None)
    if origin is not None:
        output.print(
            f"model: {escape(str(out / 'model'))}, the weights that are its own; expunge reads it, with the rest of "
            f"{origin.architecture} from its package; transformers does not",
            soft_wrap=True,
            highlight=False,
        )


def _what_is_kept(folder: "RunFolder", total: int) -> str:
    metrics = folder.metrics()
    if metrics is None:
        return "No request was finished; nothing is kept."
    where = escape(str(folder.path))
    return f"{len(metrics.requests)} of {total} requests are kept in {where}; --out {where} --resume goes on there."
