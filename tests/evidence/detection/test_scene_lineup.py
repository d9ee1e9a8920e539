"""Objects of forgotten classes and of strangers in one line: taken alike, matched by boxes alone."""

from dataclasses import replace

import pytest
import torch

from expunge.adapters import Edit, EditStack
from expunge.data import Scenes, Splits
from expunge.errors import EvidenceError
from expunge.evidence.measures.linear_probe import LinearProbe
from expunge.evidence.measures.prototype_relearning import PrototypeRelearning
from expunge.evidence.strangers.alike import alike
from expunge.evidence.strangers.beside import beside
from expunge.evidence.strangers.lineup import Lineup
from expunge.evidence.strangers.sample import Strangers, line_up
from expunge.runs.strangers import strangers_of
from expunge.tasks import find_task
from expunge.tasks.detection.task import Detection
from expunge.vision.detection import DetectionModel
from expunge.vision.detection.scene_states import SceneCache, look
from tests.methods.detection.little import CLASSES, TRAIN, little_model, scene

TEST = Scenes((scene(20, 0, 1), scene(21, 2, 0), scene(22, 1), scene(23, 0)), CLASSES)
DATA = Splits(TRAIN, Scenes((), CLASSES), TEST)
NOBODY = ("dog", "elk", "fly", "gnu")
OTHERS = Splits(
    Scenes((scene(30, 0, 1), scene(31, 3, 0), scene(32, 1, 0), scene(33, 2)), NOBODY),
    Scenes((scene(34, 1),), NOBODY),
    Scenes((scene(40, 1, 0), scene(41, 0, 3), scene(42, 1)), NOBODY),
)
"""Dogs and elks are in three and two scenes or more, the gnu in one of each kind, the fly in none to test on."""


def lined_up(
    model: DetectionModel, data: Splits[Scenes] = DATA, others: Splits[Scenes] = OTHERS, seed: int = 0
) -> Lineup | None:
    """The ant beside those of `others`, before bees and cats."""
    task = find_task("detection")
    (cache,), strangers = task.caches([model]), strangers_of(others)
    examples = (data.train + data.validation, data.test)
    seen = task.view(cache, *examples).features
    return line_up(model, seen, examples, strangers, strangers.seen_by(cache), retain=(1, 2), forgotten=(0,), seed=seed)


@pytest.fixture(scope="module")
def model() -> DetectionModel:
    return little_model("deformable-two-stage")


@pytest.fixture(scope="module")
def lineup(model: DetectionModel) -> Lineup:
    return lined_up(model, seed=5) or pytest.fail("nobody in it")


def test_who_is_in_it(lineup: Lineup, model: DetectionModel) -> None:
    # The fly is in no test scene. The median of what others have to test on is two, and the gnu is in one.
    assert (lineup.retain, lineup.forgotten, lineup.strangers) == ((1, 2), (0,), (3, 4))
    assert lineup.candidates == (0, 3, 4)
    assert lineup.model is model
    assert lineup.attack is None
    assert lineup.test is None
    assert lineup.seed == 5


def test_candidates_have_as_many_objects_and_those_who_stay_all_of_theirs(lineup: Lineup) -> None:
    for side, data, each in ((lineup.view.attack, TRAIN, 3), (lineup.view.test, TEST, 2)):
        counts = side.labels.bincount(minlength=7)
        assert counts[list(lineup.candidates)].tolist() == [each] * 3
        assert counts[[1, 2]].tolist() == list(data.counts()[1:])
        assert counts[[5, 6]].tolist() == [0, 0]


def test_no_more_than_the_task_allows_and_those_who_have_fewer_are_in(
    model: DetectionModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Detection, "most_each", 1)
    found = lined_up(model)
    assert found is not None
    assert found.strangers == (3, 4, 6)
    assert [int((found.view.test.labels == one).sum()) for one in found.candidates] == [1] * 4


def test_what_it_holds_is_taken_class_by_class(lineup: Lineup) -> None:
    found = PrototypeRelearning(shots=(1,), draws=2).by_class(lineup)["prototype_relearning_1"]
    assert found.shape == (3,)
    stood = beside(lineup, [PrototypeRelearning(shots=(1,)), LinearProbe()])
    assert stood is not None
    assert (stood.images, stood.strangers, stood.alike) == ((3, 2), 2, None)
    assert alike(lineup) is None  # there are no pictures of objects to make thumbnails of


def test_rows_are_those_of_the_queries_at_the_objects(lineup: Lineup, model: DetectionModel) -> None:
    objects = look(SceneCache(model), OTHERS.test).objects
    for row, label in zip(lineup.view.test.embedding, lineup.view.test.labels.tolist(), strict=True):
        if label >= len(CLASSES):
            mine = objects.features[objects.labels == label - len(CLASSES)]
            assert bool((mine - row).abs().amax(1).min() < 1e-5)


@pytest.mark.parametrize("kind", ["deformable-two-stage", "detr"])
def test_what_objects_are_called_plays_no_part(kind: str) -> None:
    """A head mask moves no object to another query, of forgotten classes and strangers alike."""
    model = little_model(kind)
    before = lined_up(model)
    stack = EditStack(model)
    stack.push(Edit(masked=(0, 1)))
    after = lined_up(model)
    stack.undo()
    assert before is not None
    assert after is not None
    assert torch.equal(before.view.attack.embedding, after.view.attack.embedding)
    assert torch.equal(before.view.test.embedding, after.view.test.embedding)
    assert not torch.equal(before.view.test.logits, after.view.test.logits)


def test_classes_that_the_detector_knows_stand_beside_strangers_and_count_for_nothing(model: DetectionModel) -> None:
    names = ("dog", "ant", "fly", "gnu")  # the elk was an ant all along
    train, validation, test = (Scenes(part.scenes, names) for part in (OTHERS.train, OTHERS.validation, OTHERS.test))
    known = Splits(train, validation, test)
    found = lined_up(model, others=known)
    assert found is not None
    assert found.strangers == (3, 6)  # the dog, the gnu
    assert found.view.test.labels.bincount(minlength=7).tolist() == [1, 2, 1, 1, 0, 0, 1]  # no ant of theirs
    strangers_of(known).refuse_known(CLASSES, alone=False)


def test_says_what_is_lacking(model: DetectionModel) -> None:
    with pytest.raises(EvidenceError, match=r"'ant' is one of its classes\. Add classes of other names"):
        strangers_of(DATA).refuse_known(CLASSES, alone=False)
    with pytest.raises(EvidenceError, match=r"boxes of each in train and in test"):
        Strangers(OTHERS.train.only([2]), OTHERS.test)  # the fly is in no test scene
    without = replace(DATA, test=TEST.without([0]))
    assert lined_up(model, without) is None
