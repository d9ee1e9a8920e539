"""What is kept of scenes, which query stands at which object, and what a struck class leaves, all by other means."""

from dataclasses import replace
from itertools import permutations

import pytest
import torch
import transformers
from torch import Tensor, nn

from expunge.adapters import Edit, EditStack
from expunge.data import Scenes
from expunge.vision._quiet import quiet
from expunge.vision.detection import (
    DetectionModel,
    DetectionOutput,
    DetectionPreprocess,
    Target,
    detect,
    target_of,
    targets_of,
)
from expunge.vision.detection._sharing import share_backbone
from expunge.vision.detection._structure import find_backbone
from expunge.vision.detection.scene_states import Objects, SceneCache, SceneView, locate, located, look, shared_caches
from tests.vision.detection.detectors import CLASSES, KINDS, QUERIES, SIDE, detr, preprocess, randomise
from tests.vision.detection.drawn import Drawn, box, drawn_scene, drawn_scenes

CHOSEN = [kind for kind in KINDS if kind.name in ("detr", "deformable", "yolos")]


@pytest.fixture(scope="module", params=CHOSEN, ids=lambda kind: kind.name)
def model(request: pytest.FixtureRequest) -> DetectionModel:
    return DetectionModel(randomise(request.param.build()), CLASSES, preprocess=preprocess())


@pytest.fixture
def scenes() -> Scenes:
    """Two objects, none, one, three; two shapes of picture."""
    return drawn_scenes(
        drawn_scene(0, box(0), box(2, 10.0, 12.0, 45.0, 38.0)),
        drawn_scene(1),
        drawn_scene(2, box(1, 2.0, 3.0, 20.0, 22.0), width=30, height=60),
        drawn_scene(3, box(2), box(2, 30.0, 8.0, 44.0, 20.0), box(0, 1.0, 1.0, 49.0, 39.0)),
    )


def whole(model: DetectionModel, scenes: Scenes) -> DetectionOutput:
    """The full detector on all scenes at once."""
    with torch.no_grad():
        return model(model.prepare([scene.load() for scene in scenes.scenes]))


def same(one: DetectionOutput, other: DetectionOutput) -> bool:
    pairs = ((one.features, other.features), (one.logits, other.logits), (one.boxes, other.boxes))
    return all(torch.equal(a, b) for a, b in pairs)


def best_queries(boxes: Tensor, target: Target) -> tuple[int, ...]:
    """The queries at a target's objects, by trying them all: 5 · L1 − 2 · GIoU, the weights of DETR."""

    def cost(query: int, k: int) -> float:
        a, b = boxes[query].tolist(), target.boxes[k].tolist()
        corners = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in (a, b)]
        (l1, t1, r1, b1), (l2, t2, r2, b2) = corners
        common = max(0.0, min(r1, r2) - max(l1, l2)) * max(0.0, min(b1, b2) - max(t1, t2))
        union = (r1 - l1) * (b1 - t1) + (r2 - l2) * (b2 - t2) - common
        hull = (max(r1, r2) - min(l1, l2)) * (max(b1, b2) - min(t1, t2))
        return 5 * sum(abs(p - q) for p, q in zip(a, b, strict=True)) - 2 * (common / union - (hull - union) / hull)

    choices = permutations(range(len(boxes)), len(target))
    return min(choices, key=lambda queries: sum(cost(query, k) for k, query in enumerate(queries)))


class TestSceneCache:
    def test_it_says_what_the_full_detector_says_from_every_block_on(
        self, model: DetectionModel, scenes: Scenes
    ) -> None:
        expected = whole(model, scenes)
        for entry in range(len(model.blocks)):
            cache = SceneCache(model, entry)
            with torch.no_grad():
                assert same(cache.output(scenes, range(4)), expected)
                assert same(cache.output(scenes, range(4)), expected)  # now from what is kept

    def test_pictures_are_read_once_also_for_scenes_with_other_boxes(
        self, model: DetectionModel, scenes: Scenes
    ) -> None:
        cache = SceneCache(model, 1, batch_size=3)
        first = look(cache, scenes)
        again = look(cache, scenes.without([0]))
        assert torch.equal(again.logits, first.logits)
        for scene in scenes.scenes:
            assert isinstance(scene.sample, Drawn)
            assert len(scene.sample.loads) == 1

    def test_batches_cover_all_in_order(self, model: DetectionModel, scenes: Scenes) -> None:
        assert list(SceneCache(model, 0, batch_size=3).batches(scenes)) == [[0, 1, 2], [3]]

    def test_pictures_of_many_shapes_that_are_padded_to_one_size(self, scenes: Scenes) -> None:
        with quiet():
            edges = {"shortest_edge": 48, "longest_edge": 96}
            processor = transformers.DetrImageProcessorPil(size=edges, pad_size={"height": 96, "width": 96})
        padded = DetectionModel(randomise(detr()), CLASSES, preprocess=DetectionPreprocess(processor))
        assert padded.prepare([scene.load() for scene in scenes.scenes]).shape == (4, 4, 96, 96)  # the last says where
        expected = whole(padded, scenes)
        for entry in range(len(padded.blocks)):
            with torch.no_grad():
                assert same(SceneCache(padded, entry).output(scenes, range(4)), expected)

    def test_an_edit_above_the_cut_shows(self, model: DetectionModel, scenes: Scenes) -> None:
        cache, stack = SceneCache(model, len(model.blocks) - 1), EditStack(model)
        look(cache, scenes)
        stack.push(Edit(masked=(1,)))
        edited, expected = look(cache, scenes), whole(model, scenes)
        stack.undo()
        torch.testing.assert_close(edited.logits, expected.logits)
        assert edited.logits[..., 1].unique().tolist() == [-1e4]


class TestLook:
    def test_answers_are_those_of_the_detector(self, model: DetectionModel, scenes: Scenes) -> None:
        view, expected = look(SceneCache(model, 1, batch_size=4), scenes), whole(model, scenes)
        assert len(view) == 4
        assert view.sizes == ((50, 40), (50, 40), (30, 60), (50, 40))
        assert view.kind == model.kind
        assert torch.equal(view.logits, expected.logits)
        assert torch.equal(view.boxes, expected.boxes)

    def test_objects_are_the_queries_at_the_true_boxes(self, model: DetectionModel, scenes: Scenes) -> None:
        objects, expected = look(SceneCache(model, 1, batch_size=4), scenes).objects, whole(model, scenes)
        assert objects.labels.tolist() == [0, 2, 1, 2, 2, 0]
        assert objects.scenes.tolist() == [0, 0, 2, 3, 3, 3]
        assert len(objects) == 6
        row = 0
        for i, target in enumerate(targets_of(scenes)):
            for query in best_queries(expected.boxes[i], target):
                assert torch.equal(objects.features[row], expected.features[i, query])
                assert torch.equal(objects.logits[row], expected.logits[i, query, : len(CLASSES)])
                row += 1

    def test_batches_make_no_difference(self, model: DetectionModel, scenes: Scenes) -> None:
        one, all_ = (look(SceneCache(model, 1, batch_size=size), scenes) for size in (1, 4))
        assert torch.equal(one.objects.scenes, all_.objects.scenes)
        assert torch.equal(one.objects.labels, all_.objects.labels)
        # Batches of another size take other kernels, and how far apart those are differs from processor to processor.
        torch.testing.assert_close(one.objects.features, all_.objects.features, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(one.boxes, all_.boxes, rtol=1e-3, atol=1e-3)

    def test_scenes_without_any_object(self, model: DetectionModel, scenes: Scenes) -> None:
        view = look(SceneCache(model, 1), scenes.without([0, 1, 2]))
        assert len(view) == 4
        assert len(view.objects) == 0
        assert view.objects.features.shape == (0, whole(model, scenes).features.shape[-1])

    def test_more_objects_than_queries(self, model: DetectionModel) -> None:
        crowded = drawn_scenes(drawn_scene(0, *(box(k % 3, 1.0 + k, 2.0, 20.0 + k, 30.0) for k in range(QUERIES + 2))))
        assert len(look(SceneCache(model, 1), crowded).objects) == QUERIES


class TestStriking:
    def test_it_is_the_head_mask(self, model: DetectionModel, scenes: Scenes) -> None:
        view, stack = look(SceneCache(model, 1, batch_size=4), scenes), EditStack(model)
        surest = int(view.found()[0].labels[0])
        for struck in ((surest,), (0, 2)):
            stack.push(Edit(masked=struck))
            expected = detect(whole(model, scenes), view.sizes)
            stack.undo()
            found = view.struck(struck).found()
            for one, other in zip(found, expected, strict=True):
                assert len(one) > 0
                for name in ("boxes", "scores", "labels", "queries"):
                    assert torch.equal(getattr(one, name), getattr(other, name)), name
            assert not any(torch.isin(one.labels, torch.tensor(struck)).any() for one in found)

    def test_nothing_struck_is_what_is_found_and_the_view_stays(self, model: DetectionModel, scenes: Scenes) -> None:
        view = look(SceneCache(model, 1, batch_size=4), scenes)
        kept = view.logits.clone()
        view.struck([0, 1, 2])
        assert torch.equal(view.logits, kept)
        for one, other in zip(view.found(), detect(whole(model, scenes), view.sizes), strict=True):
            assert torch.equal(one.boxes, other.boxes)
            assert torch.equal(one.scores, other.scores)

    def test_boxes_are_in_pixels_of_each_picture(self) -> None:
        boxes = torch.tensor([[[0.5, 0.5, 0.2, 0.4]], [[0.5, 0.5, 0.2, 0.4]]])
        nobody = torch.zeros(0, dtype=torch.int64)
        nothing = Objects(torch.zeros(0, 4), torch.zeros(0, 3), nobody, nobody)
        view = SceneView(nothing, torch.zeros(2, 1, 3), boxes, "sigmoid", ((100, 50), (10, 20)))
        first, second = view.struck([1, 2]).found()
        torch.testing.assert_close(first.boxes, torch.tensor([[40.0, 15.0, 60.0, 35.0]]))
        torch.testing.assert_close(second.boxes, torch.tensor([[4.0, 6.0, 6.0, 14.0]]))
        assert first.scores.tolist() == [0.5]  # one of three classes is left


class TestLocate:
    def test_what_queries_are_called_plays_no_part(self, model: DetectionModel, scenes: Scenes) -> None:
        output, targets = whole(model, scenes), [target_of(scene) for scene in scenes.scenes]
        before = locate(output, targets, model)
        plain = model.criterion.match(output, targets)
        chosen = tuple(before[3].queries.tolist())
        assert chosen == best_queries(output.boxes[3], targets[3])
        # The query whose box fits worst is made as sure as can be of the third scene's class.
        loud = output.logits.clone()
        worst = next(q for q in range(QUERIES) if q not in before[2].queries and q not in plain[2].queries)
        loud[2, :, 1], loud[2, worst, 1] = -50.0, 50.0
        for logits in (loud, torch.zeros_like(loud), torch.randn_like(loud)):
            after = locate(replace(output, logits=logits), targets, model)
            assert all(torch.equal(one.queries, other.queries) for one, other in zip(before, after, strict=True))

    def test_what_they_are_called_plays_a_part_in_the_criterion(self, model: DetectionModel) -> None:
        # Two queries with one box: the criterion takes that which names the class, `locate` the first.
        boxes = torch.tensor([[[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2]]])
        rows = len(CLASSES) + (model.kind == "softmax")
        logits = torch.full((1, 2, rows), -5.0)
        logits[0, 1, 0] = 5.0
        output = DetectionOutput(torch.zeros(1, 2, 4), logits, boxes, model.kind)
        targets = [Target(torch.tensor([0]), boxes[0, :1])]
        assert model.criterion.match(output, targets)[0].queries.tolist() == [1]
        assert locate(output, targets, model)[0].queries.tolist() == [0]

    def test_gradients_flow_through_what_is_located(self, model: DetectionModel, scenes: Scenes) -> None:
        output = whole(model, scenes)
        features = output.features.clone().requires_grad_(True)
        found = located(replace(output, features=features), targets_of(scenes), model)
        found.features.sum().backward()
        assert features.grad is not None
        assert features.grad.sum(dim=(1, 2)).tolist() == [n * features.shape[-1] for n in (2, 0, 1, 3)]


def detector(name: str = "detr", *, seed: int = 0, side: int = SIDE) -> DetectionModel:
    kind = next(kind for kind in KINDS if kind.name == name)
    return DetectionModel(randomise(kind.build(), seed), CLASSES, preprocess=preprocess(side))


@torch.no_grad()
def relearned(model: DetectionModel) -> DetectionModel:
    """The same backbone, and everything behind it different, as in an oracle."""
    for name, parameter in model.module.named_parameters():
        if not name.startswith("model.backbone"):
            parameter.mul_(1.1)
    return model


def test_detectors_on_one_backbone_look_at_each_picture_once(scenes: Scenes) -> None:
    models = [detector(), relearned(detector()), detector(seed=1)]
    apart = [look(SceneCache(model, batch_size=2), scenes) for model in models]
    calls = [0, 0, 0]

    def count(place: int) -> None:
        calls[place] += 1

    for place, model in enumerate(models):
        backbone = model.module.get_submodule(str(find_backbone(model.module)))
        first = next(part for part in backbone.modules() if isinstance(part, nn.Conv2d))
        first.register_forward_hook(lambda *_, place=place: count(place))
    caches = shared_caches(models, batch_size=2)
    calls[:] = [0, 0, 0]  # what the comparison cost
    together = [look(cache, scenes) for cache in caches]
    assert calls == [2, 0, 2]  # four scenes, two at a time
    for one, other in zip(apart, together, strict=True):
        assert torch.equal(one.logits, other.logits)
        assert torch.equal(one.boxes, other.boxes)


def test_who_shares_a_backbone() -> None:
    original = detector()
    assert share_backbone(original, detector())
    assert share_backbone(original, relearned(detector()))
    assert not share_backbone(original, detector(seed=1))
    assert not share_backbone(original, detector(side=96))  # pictures come in another size
    assert not share_backbone(original, detector("deformable"))  # maps of other depths
    assert not share_backbone(detector("yolos"), detector("yolos"))  # it has none
    touched = detector()
    with torch.no_grad():
        next(iter(touched.module.get_submodule("model.backbone").parameters())).view(-1)[0] += 1e-3
    assert not share_backbone(original, touched)
