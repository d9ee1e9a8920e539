"""Comparison of a saved model with the one that a certificate speaks of, and a list of what was compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from expunge.errors import TaskError, WrongModelError
from expunge.values import CLASSIFICATION

if TYPE_CHECKING:
    from expunge.ledger import Statement

AFTER, BEFORE = "model-after", "model-before"


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Result of the comparison.

    Attributes:
        which: Which model of the statement it is.
        checked: What was compared and is the same, in words.
        left_out: What could not be compared, and why.
    """

    which: str
    checked: tuple[str, ...]
    left_out: tuple[str, ...]


def compare_model(statement: "Statement", folder: Path) -> ModelComparison:
    """Compares weights, names of classes and the files beside the weights, as far as the certificate has them.

    Raises:
        ModelError: The model cannot be loaded.
        WrongModelError: It is another model, or equal weights that stand for something else.
    """
    from expunge.runs import load

    try:
        model = load(folder, task=str(statement.predicate.scorecard.get("task", CLASSIFICATION)), device="cpu")
    except TaskError as error:
        raise WrongModelError(f"The model in {error}, as that of the certificate is.") from error
    which = _which(statement, folder, model.digest())
    checked, left_out = [f"the weights in {folder} are those of {which}"], []
    for same, other in (_classes(statement, folder, model.classes), _files(statement, folder, which)):
        checked += same
        left_out += other
    return ModelComparison(which, tuple(checked), tuple(left_out))


def _which(statement: "Statement", folder: Path, digest: str) -> str:
    for name in (AFTER, BEFORE):
        if statement.digest_of(name) == digest:
            return name
    raise WrongModelError(
        f"The model in {folder} is another one: its digest is {digest}, and the certificate speaks of "
        f"{statement.digest_of(AFTER)} after the edit."
    )


def _classes(statement: "Statement", folder: Path, classes: Sequence[str]) -> tuple[list[str], list[str]]:
    from expunge.ledger import carried

    said = statement.predicate.scorecard.get("classes")
    if any(target.name is None for target in statement.predicate.request.targets) or said is None:
        return [], ["the names of the classes: the certificate does not name them"]
    if said != carried(classes):
        raise WrongModelError(
            f"The weights in {folder} are those of the certificate, but the classes are named or ordered otherwise: an "
            "output of this model stands for another class than was measured."
        )
    return [f"its {len(classes)} classes have the names and the order of the certificate"], []


def _files(statement: "Statement", folder: Path, which: str) -> tuple[list[str], list[str]]:
    from expunge.release import describing, differing

    recorded = statement.predicate.model_files
    if which == BEFORE or recorded is None:
        return [], [f"configuration and preprocessing: the certificate does not record those of {which}"]
    changed = differing(recorded, describing(folder))
    if changed:
        raise WrongModelError(
            f"The weights in {folder} are those of the certificate, but {', '.join(changed)} differ from what was "
            "released: configuration or preprocessing is another one than was measured."
        )
    return [f"{', '.join(sorted(recorded))} are the files that were released"], []
