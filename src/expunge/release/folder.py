"""A folder of releases, one of which may be served.

    0001/model/         what `VisionModel.save` writes; with `model/onnx/model.onnx` where asked for
    0001/release.json   its record, which holds the digest of every file
    0002/...
    current             the number of the release that may be served

`current` is a file, not a link: a server reads it once and then knows the folder of one release, so that a change in
between cannot give it the configuration of one model and the weights of another. One writer at a time: the caller
sees to that, as a runner that holds its workspace does.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from expunge.adapters import Edit
from expunge.durable import replace_file, whole_folder, writing
from expunge.errors import ExpungeError, OnnxError, ReleaseDamagedError, ReleaseError, ReleaseNotFoundError
from expunge.release import _files as files
from expunge.release import record
from expunge.release.digests import edit_digest
from expunge.release.onnx import FILE as ONNX_FILE
from expunge.release.onnx import OPSET, export_onnx
from expunge.release.record import OnnxFacts, ReleaseRecord
from expunge.values import recorded_task
from expunge.vision import VisionModel, Wrapped, load_model

CURRENT, MODEL = "current", "model"


class Releases:
    """A folder of releases.

    Attributes:
        folder: Where they lie; made by the first `publish`.
    """

    def __init__(self, folder: Path, load: Callable[[Path], Wrapped] = load_model) -> None:
        """Names the folder; nothing is touched.

        Args:
            folder: Where the releases lie.
            load: Reads a model directory; by default that of a classifier. Detectors need
                `expunge.vision.detection.load_detector`, and a module that transformers does not know needs its own:
                `lambda path: load_weights(make_module(), path)`.
        """
        self.folder = folder
        self._load = load

    def numbers(self) -> tuple[int, ...]:
        """Numbers of all releases, pruned ones too, oldest first."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return tuple(sorted(int(name) for name in names if re.fullmatch(r"[0-9]{4,9}", name)))

    def record(self, number: int) -> ReleaseRecord:
        """Record of a release.

        Raises:
            ReleaseNotFoundError: There is none of that number.
            ReleaseDamagedError: Its record is damaged.
        """
        return record.read_release(self._place(number) / record.FILE)

    def current(self) -> ReleaseRecord | None:
        """The release that may be served; None before the first.

        Raises:
            ReleaseNotFoundError: The release that `current` names is gone.
            ReleaseDamagedError: `current` or the record is damaged.
        """
        pointer = self.folder / CURRENT
        return self.record(record.read_pointer(pointer)) if pointer.exists() else None

    def model_folder(self, number: int) -> Path:
        """The model directory of a release, for plain transformers too.

        Raises:
            ReleaseNotFoundError: There is no such release, or its model was pruned.
        """
        folder = self._place(number) / MODEL
        if not folder.is_dir():
            known = ", ".join(map(str, self.numbers())) or "none"
            reason = "was pruned; only its record is kept" if number in self.numbers() else "does not exist"
            raise ReleaseNotFoundError(f"Release {number} in {self.folder} {reason}. Releases: {known}.")
        return folder

    def load(self, number: int | None = None) -> Wrapped:
        """Loads a release, the current one unless told, after checking every file and then the weights.

        Raises:
            ReleaseNotFoundError: There is no such release, or its model was pruned.
            ReleaseDamagedError: Its files or weights are not the ones that were published.
        """
        if number is None:
            now = self.current()
            if now is None:
                raise ReleaseNotFoundError(f"Nothing was released in {self.folder} yet.")
            number = now.number
        folder, expected = self.model_folder(number), self.record(number)
        found = files.digests(folder)
        for name in sorted({*found, *expected.files}):
            if found.get(name) != expected.files.get(name):
                kind = "is missing" if name not in found else "was changed" if name in expected.files else "was added"
                raise ReleaseDamagedError(f"Release {number}: {folder / name} {kind} since it was published.")
        return self._loaded(folder, expected.weights_after)

    def publish(
        self,
        model: Wrapped,
        edits: Sequence[Edit],
        *,
        before: str,
        after: str | None = None,
        time: str,
        note: str = "",
        onnx_pixels: Float[Tensor, "n ch h w"] | None = None,
        serve: bool = True,
    ) -> ReleaseRecord:
        """Writes a model as the next release and lets it be served.

        The release is loaded back and its weights compared bit for bit before it counts. Cut off at any point,
        the old release stays current; the same call again takes up what is complete and writes the rest anew.

        Args:
            model: The merged model.
            edits: The edits in it, oldest first.
            before: Digest of the weights without them.
            after: Digest of the model, where it is known; what was written is held against it.
            time: Now, in UTC by RFC 3339: `2026-11-24T09:00:00Z`.
            note: Up to 500 characters; nothing personal.
            onnx_pixels: Prepared images to check an ONNX export with; without them there is no ONNX file.
            serve: False leaves the current release as it is, until `rollback(to=…)` names this one.

        Raises:
            ReleaseError: `time`, `before` or `note` is not what a record takes.
            ReleaseDamagedError: `current` is damaged, or the model reads back as another one.
            OnnxError: The export fails, or answers otherwise than torch; or the model is a detector.
            OutputError: The folder cannot be written.
        """
        with writing(self.folder, SafetensorError):
            self.folder.mkdir(parents=True, exist_ok=True)
            files.remove_leftovers(self.folder)
        now = self.current()
        wanted = record.make_record(
            number=max(self.numbers(), default=0) + 1,
            time=time,
            previous=now.number if now else None,
            weights_before=before,
            weights_after=after or model.digest(),
            edits=tuple(map(edit_digest, edits)),
            note=note,
            task=recorded_task(model.task),
        )
        release = self._complete(wanted) or self._write(wanted, model, onnx_pixels)
        if serve:
            self._point_to(release.number)
        return release

    def rollback(self, to: int | None = None) -> ReleaseRecord:
        """Lets an earlier release be served again, or a new one, its files and weights checked against its record.

        Args:
            to: Its number; by default the one that was served before the current one was published.

        Raises:
            ReleaseError: There is nothing to go back to.
            ReleaseNotFoundError: There is no such release, or its model was pruned.
            ReleaseDamagedError: It is not what was published; the current release stays.
            OutputError: The folder cannot be written.
        """
        if to is None:
            now = self.current()
            to = now.previous if now else None
        if to is None:
            raise ReleaseError(f"There is no release in {self.folder} to go back to before the current one.")
        self.load(to)
        self._point_to(to)
        return self.record(to)

    def prune(self, keep: int = 1) -> tuple[int, ...]:
        """Deletes the models of releases that are neither current nor among those to go back to.

        Only this deletes a release; publishing never does. Records stay, so that no number is given twice.

        Args:
            keep: How many steps back from the current release stay possible.

        Returns:
            The numbers whose models were deleted.

        Raises:
            ReleaseError: `keep` is below 0, or nothing is current.
            OutputError: A folder cannot be deleted.
        """
        now = self.current()
        if keep < 0 or now is None:
            raise ReleaseError(f"Expected a current release and 0 or more to keep behind it, got {keep} of {now}.")
        kept = {now.number}
        while len(kept) <= keep and now.previous is not None:
            now = self.record(now.previous)
            kept.add(now.number)
        gone = tuple(n for n in self.numbers() if n not in kept and (self._place(n) / MODEL).is_dir())
        with writing(self.folder, SafetensorError):
            files.remove_leftovers(self.folder)
            for number in gone:
                files.put_aside(self._place(number) / MODEL, beside=self._place(number))
        return gone

    def _complete(self, wanted: ReleaseRecord) -> ReleaseRecord | None:
        """The newest release if it publishes the same as `wanted`: a crash came between it and its caller."""
        newest = max(self.numbers(), default=None)
        if newest is None or not (self._place(newest) / MODEL).is_dir():
            return None
        try:
            found = self.record(newest)
            if not found.same_as(wanted):
                return None
            self.load(newest)
        except ReleaseDamagedError:  # never trusted, and never in the way
            return None
        return found

    def _write(self, wanted: ReleaseRecord, model: Wrapped, onnx_pixels: Tensor | None) -> ReleaseRecord:
        place = self._place(wanted.number)
        with writing(place, SafetensorError), whole_folder(place) as partial:
            folder, onnx = partial / MODEL, None
            model.save(folder)
            self._loaded(folder, wanted.weights_after)
            if onnx_pixels is not None:
                if not isinstance(model, VisionModel):
                    raise OnnxError("Detectors are not exported to ONNX. Publish it without.")
                (folder / ONNX_FILE).parent.mkdir()
                checked = export_onnx(model, folder / ONNX_FILE, onnx_pixels)
                onnx = OnnxFacts(opset=OPSET, images=checked.images, largest_difference=checked.largest_difference)
            written = wanted.model_copy(update={"files": files.digests(folder), "onnx": onnx})
            (partial / record.FILE).write_text(written.to_json(), encoding="utf-8")
        return written

    def _loaded(self, folder: Path, weights: str) -> Wrapped:
        try:
            model = self._load(folder)
        except ExpungeError as error:
            raise ReleaseDamagedError(f"The model in {folder} does not load: {error}") from error
        found = model.digest()
        if found != weights:
            raise ReleaseDamagedError(
                f"The model in {folder} reads back with weights {found}, not {weights}. Models are read in float32: "
                "convert one of another type before it is published (model.module.float())."
            )
        return model

    def _point_to(self, number: int) -> None:
        with writing(self.folder / CURRENT, SafetensorError):
            replace_file(self.folder / CURRENT, record.Pointer(number=number).to_bytes() + b"\n")

    def _place(self, number: int) -> Path:
        return self.folder / record.folder_name(number)
