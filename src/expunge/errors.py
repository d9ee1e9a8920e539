"""Every way a user's input can be unusable, one exception each.

All derive from `ExpungeError` and from the built-in exception a Python user would expect, so that
`except ValueError` keeps working. A message says what was expected, what came and what to do.
"""

from collections.abc import Iterable


class ExpungeError(Exception):
    """Base of everything `expunge` raises on purpose."""


class DataError(ExpungeError, ValueError):
    """Images, folders or labels that cannot be used as given."""


class DataLayoutError(DataError):
    """A data set is not laid out as `train/<class>/*` and `test/<class>/*`."""


class EmptyClassError(DataError):
    """A class has no images where some are needed."""


class DuplicateClassError(DataError):
    """One class is named twice."""


class UnreadableImageError(DataError):
    """A file is not an image that can be decoded."""


class TooFewImagesError(DataError):
    """More images were asked for than there are."""


class SceneError(DataError):
    """An image and its boxes do not fit together."""


class CocoError(DataError):
    """A COCO annotation file cannot be read, or does not follow its schema."""


class MissingImagesError(CocoError, FileNotFoundError):
    """Images that a COCO annotation file names are not in the image folder."""


class UnknownCategoryError(CocoError):
    """A box is of a category, or a category of a name, that was not expected."""


class UnknownImageError(CocoError):
    """A box is in an image that the annotation file does not list."""


class DuplicateIdError(CocoError):
    """Two images, categories or annotations share an id."""


class BoxError(CocoError):
    """A box is not made of four finite numbers."""


class DetectionError(ExpungeError, ValueError):
    """Boxes, labels or predictions that cannot be compared with each other."""


class TaskError(ExpungeError, ValueError):
    """No such task is installed, or a model is of another one."""


class AmbiguousTaskError(TaskError):
    """Several tasks could take a model, and none is named.

    Attributes:
        found: What could be taken for what; each door adds how a task is named there.
    """

    def __init__(self, source: object, tasks: Iterable[str]) -> None:
        """Says it as Python code names a task."""
        self.found = f"{source} can be taken for several tasks: {', '.join(tasks)}"
        super().__init__(f'{self.found}; say which: task="…"')


class ModelError(ExpungeError, ValueError):
    """A model that cannot be used as given."""


class ModelNotFoundError(ModelError, FileNotFoundError):
    """No model directory, hub id or zoo name answers to what was given."""


class NoBlocksError(ModelError):
    """No repeated block with a feed-forward network was recognised in a model."""


class HeadError(ModelError):
    """No classifier was recognised, or it has the wrong shape."""


class PromptError(ModelError):
    """Class names or templates of which a text model cannot make the rows of a head."""


class ClassMismatchError(ModelError):
    """The classes of a model and of a data set are not the same."""


class UnsafeWeightsError(ModelError):
    """Weights come as a pickle, which could run code; only safetensors are read."""


class CorruptWeightsError(ModelError):
    """A safetensors file is damaged or does not fit the model."""


class QuantizedWeightsError(ModelError):
    """Weights are stored quantised, as integers; only floating-point ones are read."""


class OnnxFileError(ModelError):
    """An ONNX file is damaged, holds what is not read, or answers otherwise in ONNX Runtime than in torch."""


class DeviceError(ExpungeError, ValueError):
    """A device to run on is unknown, or is not on this machine."""


class EditError(ExpungeError, ValueError):
    """An edit is damaged, or does not fit the model it is applied to."""


class ClassMemoryError(ExpungeError, ValueError):
    """Statistics of classes cannot be taken, or a memory does not hold those that are asked for."""


class MemoryNotFoundError(ClassMemoryError, FileNotFoundError):
    """There is no memory where one was looked for."""


class DamagedMemoryError(ClassMemoryError):
    """A file of a memory is missing or damaged, or was written by another version."""


class MemoryMismatchError(ClassMemoryError):
    """A memory was taken from another model, or too high up for the blocks that a method edits."""


class RequestError(ExpungeError, ValueError):
    """An erasure request cannot be carried out as asked."""


class UnknownClassError(RequestError, KeyError):
    """A request names a class the model does not have."""

    __str__ = Exception.__str__  # KeyError would print the repr of the message


class AlreadyForgottenError(RequestError):
    """A request names a class that an earlier request has already taken."""


class NothingRetainedError(RequestError):
    """A request would leave no class at all."""


class MethodError(ExpungeError, ValueError):
    """A method is unknown or its settings are unusable."""


class EvidenceError(ExpungeError, ValueError):
    """Evidence cannot be measured, or a report cannot be written, from what was given."""


class CorruptRunError(EvidenceError):
    """The files of an earlier run are damaged, or were written by another version."""


class ScorecardError(EvidenceError):
    """A scorecard is damaged, or was written by another version."""


class PolicyError(ExpungeError, ValueError):
    """A policy cannot be read, or asks for what nothing measures."""


class OutputError(ExpungeError, OSError):
    """The output folder cannot be written, or holds something already."""


class ResumeError(ExpungeError, ValueError):
    """A run cannot be continued: nothing to resume, or the settings differ."""


class MissingExtraError(ExpungeError, ImportError):
    """An optional dependency is not installed."""


class LedgerError(ExpungeError, ValueError):
    """The ledger, or something that it records or signs, cannot be used as given."""


class LedgerNotFoundError(LedgerError, FileNotFoundError):
    """There is no ledger where one was looked for."""


class LedgerDamagedError(LedgerError):
    """The stored ledger does not match the checkpoint that was signed over it."""


class LedgerConflictError(LedgerError):
    """Another writer has extended the ledger meanwhile."""


class MalformedRecordError(LedgerError):
    """JSON that is damaged, ambiguous or too large, or does not follow its schema."""


class NewerSchemaError(LedgerError):
    """A record was written by a later version than this one understands."""


class NoteError(LedgerError):
    """A signed note or a checkpoint is malformed."""


class KeyFileError(LedgerError):
    """A key cannot be read, is of another kind, or is readable by others."""


class KeyRingError(LedgerError):
    """A key is unknown to a ledger, or was not in force where it is needed."""


class CertificateError(LedgerError):
    """A certificate does not verify."""


class TruncatedCertificateError(CertificateError):
    """A certificate ends too early."""


class MalformedCertificateError(CertificateError):
    """A certificate does not follow its schema."""


class NewerCertificateError(CertificateError, NewerSchemaError):
    """A certificate was written by a later version than this one understands."""


class AlteredCertificateError(CertificateError):
    """Something in a certificate was changed after it was signed."""


class ReplayedCertificateError(CertificateError):
    """A certificate carries the ledger entry of another one."""


class WrongKeyError(CertificateError):
    """A certificate was signed by a key that is not the expected one."""


class RevokedKeyError(CertificateError):
    """A signature was made by a key that was no longer in force."""


class WrongModelError(CertificateError):
    """A model is not the one that a certificate speaks of."""


class BenchError(ExpungeError, ValueError):
    """A benchmark's suite, setting or cell is unknown or cannot be run."""


class ReleaseError(ExpungeError, ValueError):
    """A release cannot be made, found or gone back to as asked."""


class ReleaseNotFoundError(ReleaseError, FileNotFoundError):
    """There is no such release, or its model was pruned."""


class ReleaseDamagedError(ReleaseError):
    """The files of a release are not the ones that were published."""


class OnnxError(ReleaseError):
    """A model cannot be exported to ONNX, or ONNX Runtime answers otherwise than torch."""


class WorkspaceError(ExpungeError, ValueError):
    """A workspace, or something in it, cannot be used as given."""


class WorkspaceNotFoundError(WorkspaceError, FileNotFoundError):
    """There is no workspace where one was looked for."""


class NewerWorkspaceError(WorkspaceError):
    """A workspace was written by a later version than this one understands."""


class DamagedWorkspaceError(WorkspaceError):
    """A file of a workspace is missing, damaged, or not what its digest says."""


class ReadOnlyWorkspaceError(WorkspaceError, PermissionError):
    """A workspace can be read, not written."""


class BusyWorkspaceError(WorkspaceError, TimeoutError):
    """Another process keeps a workspace to itself for too long."""


class LeaseLostError(WorkspaceError):
    """A runner goes on with a plan that another one has taken over, or that is finished."""


class UnknownRequestError(RequestError, KeyError):
    """A workspace has no request of this ID."""

    __str__ = Exception.__str__


class UnlawfulMoveError(RequestError):
    """A request cannot go from its state to the one that was asked for, or not by this actor."""


class FourEyesError(UnlawfulMoveError):
    """A second person is needed."""


class HeldError(RequestError):
    """A hold forbids it."""


class IntakeError(DataError):
    """Images that came with a request are refused. The message gives places in the list, never names."""
