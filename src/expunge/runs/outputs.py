"""The folder a run writes: every file appears whole or not at all.

run.json        what was asked, so that a resumed run cannot be another one
metrics.json    the finished requests
edits/NNNN/     their edits
model/          the merged model
report.html     the report
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from expunge.adapters import Edit, load_edit, save_edit
from expunge.durable import remove, replace_file, whole_folder, writing
from expunge.errors import OutputError, ResumeError
from expunge.evidence import Metrics

RUN, METRICS, EDITS, MODEL, REPORT = "run.json", "metrics.json", "edits", "model", "report.html"


class RunFolder:
    """One run's folder."""

    def __init__(self, path: Path):
        """Names the folder; nothing is touched."""
        self.path = path
        self._made_by_us = False

    def create(self, settings: Mapping[str, object]) -> None:
        """Makes the folder for a new run and notes what was asked.

        Raises:
            OutputError: It holds something already, is no folder, or cannot be written.
        """
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise OutputError(
                f"{self.path} is not an empty folder; give --out a new one, or add --resume to continue the run in it"
            )
        try:
            self._made_by_us = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            self._write(RUN, json.dumps(settings, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write to {self.path}: {error.strerror or error}") from error

    def reopen(self, settings: Mapping[str, object]) -> None:
        """Checks that the folder holds an unfinished or finished run of the same settings.

        Raises:
            ResumeError: It holds none, or one that was asked for something else.
        """
        try:
            noted = json.loads((self.path / RUN).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise ResumeError(f"{self.path} holds no run to resume (no readable {RUN}); leave out --resume") from error
        asked = json.loads(json.dumps(settings))
        for key in sorted({*noted, *asked}):
            if noted.get(key) != asked.get(key):
                raise ResumeError(
                    f"{self.path} holds a run with {key} = {noted.get(key)!r}, now asked: {asked.get(key)!r}; "
                    "repeat the same options, or give --out a new folder"
                )

    def discard_if_empty(self) -> None:
        """Takes back what `create` made if no request was finished."""
        if (self.path / METRICS).exists():
            return
        (self.path / RUN).unlink(missing_ok=True)
        shutil.rmtree(self.path / EDITS, ignore_errors=True)
        if self._made_by_us:
            self.path.rmdir()

    def metrics(self) -> Metrics | None:
        """The metrics written so far; None before the first finished request.

        Raises:
            CorruptRunError: The file is damaged.
        """
        path = self.path / METRICS
        return Metrics.parse(path.read_text(encoding="utf-8")) if path.exists() else None

    def check_model(self, done: Metrics, now: Metrics) -> None:
        """Makes sure that the run in the folder was begun on the model that goes on with it.

        Raises:
            ResumeError: It is another one.
        """
        if done.model != now.model:
            raise ResumeError(
                f"{self.path} holds a run on a model with sha256 {done.model.sha256}; this one has "
                f"{now.model.sha256}. Resume with the model it was begun on, or give --out a new folder"
            )

    def edits(self, count: int) -> list[Edit]:
        """The edits of the first `count` requests.

        Raises:
            EditError: One is missing or damaged.
        """
        return [load_edit(self._edit_path(number)) for number in range(1, count + 1)]

    def add(self, edit: Edit, metrics: Metrics) -> None:
        """Writes the edit of the last request in `metrics`, then the metrics that make it count."""
        target = self._edit_path(len(metrics.requests))
        self._write_folder(target, lambda folder: save_edit(edit, folder, base_model=metrics.model.name))
        self._write(METRICS, metrics.to_json())

    def write_model(self, save: Callable[[Path], None]) -> None:
        """Writes the merged model through `save`, which is given an empty folder."""
        self._write_folder(self.path / MODEL, save)

    def write_report(self, html: str) -> None:
        """Writes the report."""
        self._write(REPORT, html)

    def _edit_path(self, number: int) -> Path:
        return self.path / EDITS / f"{number:04d}"

    def _write(self, name: str, text: str) -> None:
        with writing(self.path / name):
            self.path.mkdir(parents=True, exist_ok=True)
            replace_file(self.path / name, text.encode())

    def _write_folder(self, target: Path, save: Callable[[Path], None]) -> None:
        with writing(target), whole_folder(target) as partial:
            save(partial)
            remove(target)
