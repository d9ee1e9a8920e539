"""Workspaces on a detector."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from expunge.adapters import EditStack
from expunge.data import Scenes, Splits
from expunge.errors import TooFewImagesError
from expunge.evidence.detection.registry import detection_measure_names, make_detection_measure
from expunge.evidence.policy import Policy
from expunge.evidence.scorecard import Scorecard
from expunge.evidence.scorecard_groups import in_order
from expunge.ledger import DataFacts
from expunge.lifecycle.asked import Asked
from expunge.lifecycle.kind import Report, Share, Shares, wanted
from expunge.lifecycle.material import Material
from expunge.lifecycle.scene_material import gather_scenes
from expunge.lifecycle.scene_strangers import scene_strangers
from expunge.lifecycle.standing import Standing
from expunge.methods import Method, make_method
from expunge.methods.sequence import Forgetting
from expunge.runs import read
from expunge.runs.detection.measuring import BATCH, DetectorComparison, known_detection_keys, measure_detectors
from expunge.runs.measuring import known_keys
from expunge.tasks.detection.average_precision import ClassAP, average_precision
from expunge.tasks.detection.scenes import align_scenes
from expunge.tasks.plan import make_plan
from expunge.tasks.request import Available
from expunge.vision.detection import DetectionModel
from expunge.vision.scene_states import SceneCache, look, shared_caches
from expunge.workspace import Workspace
from expunge.workspace.settings import DETECTION

DATA_NAME = "scenes of the workspace"
STRANGERS_NAME = "strangers of the workspace"


class Detectors:
    """The kind of model that finds objects; see `expunge.lifecycle.kind.Kind`."""

    task: ClassVar[Literal["detection"] | None] = DETECTION
    exports: ClassVar[bool] = False

    def keys(self) -> frozenset[str]:
        """Those of `expunge.detection_measures`, and those of classifiers: one policy may do for both."""
        return known_keys() | known_detection_keys()

    def make_method(self, asked: Asked) -> Method:
        """One that is for detectors."""
        return make_method(asked.method, task=DETECTION, preset=asked.preset, settings=asked.settings)

    def lowest_block(self, workspace: Workspace, method: Method) -> int:
        """The lowest of all: there is no memory of detectors."""
        return 0

    def gather(
        self,
        workspace: Workspace,
        requests: Sequence[str],
        gone: Sequence[str],
        classes: Sequence[str],
        data: str,
        seed: int,
    ) -> Material[Splits[Scenes], Available[Scenes]]:
        """Scenes of a COCO folder, those of the requests' classes among them."""
        return gather_scenes(workspace, requests, gone, classes, data, seed)

    def remembered(self, workspace: Workspace, method: Method, gone: Sequence[str]) -> tuple[DataFacts, ...]:
        """Nothing."""
        return ()

    def forgetting(
        self,
        workspace: Workspace,
        model: DetectionModel,
        base: Sequence[Standing],
        targets: Sequence[str],
        material: Material[Splits[Scenes], Available[Scenes]],
        method: Method,
        seed: int,
    ) -> Forgetting:
        """The sequence on scenes."""
        plan = make_plan(model.classes, [*(one.attempt.targets for one in base), targets])
        counts = dict(zip(model.classes, material.splits.test.counts(), strict=True))
        for name in targets:
            if not counts[name]:
                raise TooFewImagesError(f"class {name!r} is to be forgotten but no test scene has a box of it")
        return Forgetting(EditStack(model), plan, method, material.available, seed=seed)

    def states(self, model: DetectionModel, entry: int) -> SceneCache:
        """What passes the cut below a block, kept per picture."""
        return SceneCache(model, entry)

    def measure(
        self,
        workspace: Workspace,
        original: DetectionModel,
        edited: DetectionModel,
        material: Material[Splits[Scenes], Available[Scenes]],
        rules: Policy,
        *,
        targets: Sequence[str],
        earlier: Sequence[str],
        seed: int,
        report: Report,
    ) -> Scorecard:
        """What `measure_detectors` gives."""
        compared = DetectorComparison(
            original=original,
            edited=edited,
            forgotten=tuple(targets),
            earlier=tuple(earlier),
            missing=material.missing,
            seed=seed,
        )
        measures = in_order(wanted(map(make_detection_measure, detection_measure_names()), rules))
        return measure_detectors(
            compared,
            material.splits,
            measures,
            data_name=DATA_NAME,
            partial=True,
            strangers=scene_strangers(workspace),
            strangers_name=STRANGERS_NAME,
            report=report,
        )

    def shares(
        self, model: DetectionModel, original: DetectionModel, data: str, groups: Sequence[Sequence[int]], seed: int
    ) -> Shares:
        """AP50 of COCO, mean over classes."""
        test = align_scenes(read(data, like=model, seed=seed), model.classes).test
        gone = sorted({label for group in groups for label in group})
        kept = [label for label in range(len(model.classes)) if label not in gone]
        now, before = (look(cache, test) for cache in shared_caches([model, original], batch_size=BATCH))
        found = (now.found(), before.found(), before.found(struck=gone))
        served, originally, masked = (average_precision(one, test) for one in found)
        return Shares(
            *(_share(one, kept) for one in (served, originally, masked)),
            earlier=tuple(_share(served, group) for group in groups),
        )


def _share(each: Sequence[ClassAP], group: Sequence[int]) -> Share:
    """The mean AP50 of those classes of a group that are in the scenes."""
    tested = [(each[c].ap50, each[c].objects) for c in group]
    values = [value for value, _ in tested if value is not None]
    mean = min(sum(values) / len(values), 100.0) if values else 0.0
    return Share(mean, sum(objects for _, objects in tested), len(values))
