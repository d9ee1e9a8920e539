"""Workspaces on a detector."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from expunge.adapters import EditStack
from expunge.data import Scenes, Splits
from expunge.errors import TooFewImagesError
from expunge.evidence import make_measures
from expunge.evidence.policy import Policy
from expunge.evidence.scorecard import Scorecard
from expunge.evidence.scorecard_groups import in_order
from expunge.ledger import DataFacts
from expunge.lifecycle.asked import Asked
from expunge.lifecycle.kind import Report, Shares, shares_of, wanted
from expunge.lifecycle.material import Material
from expunge.lifecycle.scene_material import gather_scenes
from expunge.lifecycle.scene_strangers import scene_strangers
from expunge.lifecycle.standing import Standing
from expunge.methods import Method, make_method
from expunge.methods.sequence import Forgetting
from expunge.runs import read
from expunge.runs.comparing import Compared
from expunge.runs.measuring import known_keys, measure_models
from expunge.runs.strangers import strangers_of
from expunge.tasks.detection.scenes import align_scenes
from expunge.tasks.plan import make_plan
from expunge.tasks.request import Available
from expunge.vision.detection import DetectionModel
from expunge.vision.scene_states import SceneCache
from expunge.workspace import Workspace
from expunge.workspace.settings import DETECTION

DATA_NAME = "scenes of the workspace"
STRANGERS_NAME = "strangers of the workspace"


class Detectors:
    """The kind of model that finds objects; see `expunge.lifecycle.kind.Kind`."""

    task: ClassVar[Literal["detection"] | None] = DETECTION
    exports: ClassVar[bool] = False

    def keys(self) -> frozenset[str]:
        """Those of measures of detectors, and of classifiers: one policy may do for both."""
        return known_keys() | known_keys(task=DETECTION)

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
        """What `measure_models` gives."""
        compared = Compared(
            original=original,
            edited=edited,
            forgotten=tuple(targets),
            earlier=tuple(earlier),
            missing=material.missing,
            seed=seed,
        )
        scenes = scene_strangers(workspace)
        measures = in_order(wanted(make_measures(task=DETECTION), rules))
        return measure_models(
            compared,
            material.splits,
            measures,
            data_name=DATA_NAME,
            partial=True,
            strangers=strangers_of(scenes) if scenes else None,
            strangers_name=STRANGERS_NAME,
            report=report,
        )

    def shares(
        self, model: DetectionModel, original: DetectionModel, data: str, groups: Sequence[Sequence[int]], seed: int
    ) -> Shares:
        """AP50 of COCO, mean over classes."""
        test = align_scenes(read(data, like=model, seed=seed), model.classes).test
        return shares_of(model, original, test, groups)
