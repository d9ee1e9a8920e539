"""The strangers of a workspace on a detector: scenes, read anew from their place each time.

A digest of pictures and boxes says whether they are still those that were shown when the path was noted.
"""

from collections.abc import Sequence

from expunge.data import Scenes, Splits
from expunge.errors import DamagedWorkspaceError, EvidenceError
from expunge.lifecycle.scene_material import SceneDigests
from expunge.lifecycle.strangers import CHANGED, Prepared
from expunge.runs import read
from expunge.vision.detection import DetectionModel
from expunge.workspace import Workspace
from expunge.workspace.strangers import ROLE, KeptStrangers, kept_strangers
from expunge.workspace.submission import digest_of


def prepare_scene_strangers(model: DetectionModel, source: str, *, skip_unreadable: bool = False) -> Prepared:
    """Reads strangers, and takes of them what a workspace keeps: path and digest.

    Args:
        model: The original detector.
        source: A folder in COCO's layout, or `zoo:NAME`. A path must mean the same from any folder.
        skip_unreadable: Whether to leave out pictures that cannot be decoded.

    Raises:
        DataError: The scenes cannot be read.
        EvidenceError: No class that the detector does not know has boxes in training and in test scenes.
    """
    scenes = read(source, seed=0, skip_unreadable=skip_unreadable)
    return Prepared(_record(model.digest(), model.classes, source, scenes))


def scene_strangers(workspace: Workspace) -> Splits[Scenes] | None:
    """The scenes with the workspace's strangers; None where there are none.

    Raises:
        DamagedWorkspaceError: What was kept is missing or damaged, or other scenes lie at its path now.
        DataError: The scenes cannot be read.
    """
    found = kept_strangers(workspace)
    if found is None or found[1].source is None:
        return None
    record, source = found[1], found[1].source
    scenes = read(source, seed=0)
    if _record(record.model, workspace.settings.model.classes, source, scenes) != record:
        raise DamagedWorkspaceError(CHANGED.format(source=source))
    return scenes


def _record(model: str, known: Sequence[str], source: str, scenes: Splits[Scenes]) -> KeptStrangers:
    learnt = [sum(both) for both in zip(scenes.train.counts(), scenes.validation.counts(), strict=True)]
    rows = zip(scenes.classes, learnt, scenes.test.counts(), strict=True)
    there = [row for row in rows if row[0] not in known and row[1] and row[2]]
    if not there:
        raise EvidenceError(
            "Expected strangers with objects in training and in test scenes, got none. Add scenes of classes that the "
            "detector has never seen, under other names than those of its classes."
        )
    digests = SceneDigests()
    facts = [digests.facts(ROLE, part) for part in (scenes.train, scenes.validation, scenes.test)]
    return KeptStrangers(
        model=model,
        entry=None,
        source=source,
        classes=tuple(name for name, _, _ in there),
        images=(sum(row[1] for row in there), sum(row[2] for row in there)),
        sha256=digest_of(str(one.sha256) for one in facts),
    )
