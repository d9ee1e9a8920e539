"""Carries out a run for the command line: loads, runs, writes, shows."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from expunge.cli.console import errors, metrics_table, output, progress_bar
from expunge.cli.interrupt import heed_ctrl_c

if TYPE_CHECKING:
    from expunge.requests import RunFolder


@dataclass(frozen=True)
class Asked:
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


def execute(asked: Asked, *, out: Path, resume: bool, device: str, title: str) -> None:
    """Runs what was asked and fills `out`. Nothing is left there if no request was finished."""
    from expunge.memory import load_memory
    from expunge.methods import make_method
    from expunge.requests import RunFolder, forget, load_data, load_model
    from expunge.vision import choose_device

    choose_device(device)
    method = make_method(asked.method, preset=asked.preset, settings=asked.settings)
    noted = asdict(replace(asked, method=method.name))  # what auto is may change from one version to the next
    folder = RunFolder(out)
    folder.reopen(noted) if resume else folder.create(noted)
    try:
        with errors.status("loading model and images"):
            model = load_model(asked.model, device=device)
            memory = None if asked.memory is None else load_memory(Path(asked.memory), model)
            data = load_data(asked.data, seed=asked.seed, skip_unreadable=asked.skip_unreadable)
        for path in data.skipped:
            errors.print(f"[yellow]skipped[/] {escape(path)}: not a readable image")
        with heed_ctrl_c(), progress_bar() as show:
            run = forget(
                model,
                data,
                asked.requests,
                method=method,
                shots=asked.shots,
                missing=asked.missing,
                replay_fraction=asked.replay,
                seed=asked.seed,
                partial=asked.partial,
                memory=memory,
                report=show,
                folder=folder,
            )
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


def _what_is_kept(folder: "RunFolder", total: int) -> str:
    metrics = folder.metrics()
    if metrics is None:
        return "No request was finished; nothing is kept."
    where = escape(str(folder.path))
    return f"{len(metrics.requests)} of {total} requests are kept in {where}; --out {where} --resume goes on there."
