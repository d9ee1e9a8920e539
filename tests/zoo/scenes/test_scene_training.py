"""Training: deterministic, resumable, able to leave classes out; what is taught and how it is scored, by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from expunge.errors import CorruptWeightsError, DataError
from expunge.vision.detection import Detections, Target
from expunge.vision.detection.ap50 import ap50, mean
from expunge.zoo.scenes import CLASSES
from expunge.zoo.scenes.detr import Detr, DetrShape
from expunge.zoo.scenes.features import cache_features, file_name
from expunge.zoo.scenes.model import load_detr
from expunge.zoo.scenes.objective import CORE, assign_tokens
from expunge.zoo.scenes.recipe import SceneRecipe, detections, maps_of, run, train_scenes
from expunge.zoo.scenes.train import main, save, write_checkpoint

TINY = SceneRecipe(
    shape=DetrShape(dim=16, encoder=1, decoder=2, heads=2, expansion=2, queries=8),
    layers=(1, 2),
    scenes=8,
    batch_size=4,
    epochs=2,
    extra=6,
)
HELD_OUT = 3


@pytest.fixture(scope="module")
def cache(first_blocks: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    for split, n in (("train", TINY.scenes), ("validation", HELD_OUT), ("test", HELD_OUT)):
        cache_features(folder, seed=TINY.scenes_seed, split=split, n=n, layers=TINY.layers, model=first_blocks)
    return folder


@pytest.fixture(scope="module")
def trained(cache: Path) -> Detr:
    return train_scenes(TINY, cache=cache)


def weights(detector: Detr) -> Tensor:
    return torch.cat([parameter.flatten() for parameter in detector.parameters()])


def test_the_same_recipe_gives_the_same_weights_and_another_seed_others(cache: Path, trained: Detr) -> None:
    state = torch.random.get_rng_state()
    assert torch.equal(weights(train_scenes(TINY, cache=cache)), weights(trained))
    assert not torch.equal(weights(train_scenes(replace(TINY, seed=1), cache=cache)), weights(trained))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_training_goes_on_where_it_was_cut_off(cache: Path, trained: Detr, tmp_path: Path) -> None:
    path = tmp_path / "new" / "progress.safetensors"

    def cut(done: int, total: int, loss: float, detector: Detr) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_scenes(TINY, cache=cache, progress=path, report=cut)
    epochs: list[int] = []
    resumed = train_scenes(
        TINY, cache=cache, progress=path, report=lambda done, total, loss, detector: epochs.append(done)
    )
    assert epochs == [2]
    assert torch.equal(weights(resumed), weights(trained))
    with pytest.raises(DataError, match="other settings"):
        train_scenes(replace(TINY, lr=1e-3), cache=cache, progress=path)
    path.write_bytes(b"damaged")
    with pytest.raises(CorruptWeightsError, match="is damaged"):
        train_scenes(TINY, cache=cache, progress=path)


def test_an_oracle_is_taught_as_if_the_classes_had_no_boxes(cache: Path, trained: Detr, tmp_path: Path) -> None:
    name = file_name(TINY.scenes_seed, "train", TINY.layers, 0)
    kept = load_file(cache / name)
    gone = torch.isin(kept["labels"], torch.tensor([2, 10]))
    assert gone.any()
    scene_of = torch.arange(TINY.scenes).repeat_interleave(kept["counts"])
    kept["boxes"], kept["labels"] = kept["boxes"][~gone], kept["labels"][~gone]
    kept["counts"] = torch.bincount(scene_of[~gone], minlength=TINY.scenes)
    with safe_open(cache / name, framework="pt") as file:
        save_file(kept, tmp_path / name, metadata=file.metadata())
    oracle = train_scenes(TINY, cache=cache, classes_without=["s03", "s11"])
    assert torch.equal(weights(oracle), weights(train_scenes(TINY, cache=tmp_path)))
    assert not torch.equal(weights(oracle), weights(trained))
    with pytest.raises(DataError, match="no class 'dodo' in scenes; there is: s01, s02"):
        train_scenes(TINY, cache=cache, classes_without=["dodo"])


def test_of_other_people_those_who_have_a_class_are_taught_and_others_are_background(
    first_blocks: Any, tmp_path: Path
) -> None:
    people, some, plain = ("s30", "s03", "s11"), tmp_path / "some", tmp_path / "plain"
    cache_features(some, seed=0, split="train", n=8, layers=TINY.layers, people=people, model=first_blocks)
    name = file_name(0, "train", TINY.layers, 0, people)
    kept = load_file(some / name)
    there = kept["labels"] != 0
    assert set(kept["labels"].tolist()) == {0, 1, 2}
    scene_of = torch.arange(TINY.scenes).repeat_interleave(kept["counts"])
    kept["boxes"] = kept["boxes"][there]
    kept["labels"] = torch.tensor([-1, 2, 10])[kept["labels"][there]]
    kept["counts"] = torch.bincount(scene_of[there], minlength=TINY.scenes)
    plain.mkdir()
    with safe_open(some / name, framework="pt") as file:
        save_file(kept, plain / file_name(0, "train", TINY.layers, 0), metadata=file.metadata())
    taught = train_scenes(TINY, cache=some, people=people)
    assert torch.equal(weights(taught), weights(train_scenes(TINY, cache=plain)))


def test_nothing_but_background_can_be_trained_on(cache: Path) -> None:
    detector = train_scenes(TINY, cache=cache, classes_without=CLASSES)
    assert torch.isfinite(weights(detector)).all()


def test_too_few_scenes_are_refused(cache: Path) -> None:
    with pytest.raises(DataError, match="at least 4 scenes, one step's; got 3"):
        train_scenes(replace(TINY, scenes=3), cache=cache)


def test_weights_are_kept_in_half_precision(cache: Path, trained: Detr, tmp_path: Path) -> None:
    save(trained, tmp_path / "model.safetensors")
    again = load_detr(tmp_path / "model.safetensors", TINY)
    assert torch.equal(weights(again), weights(trained).half().float())
    features = cache_features(cache, seed=TINY.scenes_seed, split="train", n=2, layers=TINY.layers).batch([0, 1])
    torch.testing.assert_close(
        run(again, maps_of(features)).boxes, run(trained, maps_of(features)).boxes, atol=0.01, rtol=0
    )
    with pytest.raises(CorruptWeightsError, match="cannot be read"):
        load_detr(tmp_path / "model.safetensors", replace(TINY, shape=DetrShape()))
    with pytest.raises(CorruptWeightsError, match="cannot be read"):
        load_detr(tmp_path / "none.safetensors", TINY)


def test_a_checkpoint_goes_on_where_it_was_cut_off_and_tells_what_it_is_worth(
    cache: Path, trained: Detr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expunge.zoo.scenes.train.VALIDATION", HELD_OUT)
    monkeypatch.setattr("expunge.zoo.scenes.train.TEST", HELD_OUT)

    def cut(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(TINY, tmp_path, cache, say=cut)
    said: list[str] = []
    outcome = write_checkpoint(TINY, tmp_path, cache, say=said.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors", "result.json"]
    written = json.loads((tmp_path / "result.json").read_text())
    assert written == json.loads(json.dumps(outcome))
    assert [line["epoch"] for line in written["log"]] == [1, 2]
    assert [json.loads(line) for line in said] == written["log"][1:]
    assert written["cutouts"] == {name: {"train": 6, "validation": 1, "test": 3} for name in CLASSES}
    detector = load_detr(tmp_path / "model.safetensors", TINY)
    assert torch.equal(weights(detector), weights(trained).half().float())
    features = cache_features(cache, seed=0, split="test", n=HELD_OUT, layers=TINY.layers)
    assert written["test"]["ap50"] == round(mean(ap50(detections(detector, features), features.targets(), 24)), 2)


def test_the_command_tells_how_it_is_used(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["train", "--help"])
    with pytest.raises(SystemExit, match="0"):
        main()
    told = capsys.readouterr().out
    assert all(option in told for option in ("--scenes", "--epochs", "--out", "--cache"))


def test_tokens_on_an_object_are_assigned_to_the_nearest() -> None:
    # 4 × 4 tokens, centres at 1/8, 3/8, ...; a large far object over the whole, a near one at the centre of a token.
    far, near = [0.5, 0.5, 1.0, 1.0], [0.375, 0.375, 0.1, 0.1]
    assigned = assign_tokens([Target(torch.tensor([4, 9]), torch.tensor([far, near]))], (4, 4))
    assert CORE == 0.3  # so the far object has the four inner tokens, of which the near one takes the first
    assert assigned.on[0].nonzero()[:, 0].tolist() == [5, 6, 9, 10]
    assert assigned.labels[0, [5, 6, 9, 10]].tolist() == [9, 4, 4, 4]
    assert torch.equal(assigned.boxes[0, 5], torch.tensor(near))
    assert assigned.boxes[0, 0].tolist() == [0.0] * 4
    # Both centres fall on token 5; token 6 is 1/8 off the far one in x and y, which spreads by 0.15.
    assert assigned.centres[0, 5] == 1.0
    assert assigned.centres[0, 6].item() == pytest.approx(math.exp(-((0.125 / 0.15) ** 2)))


def test_a_small_object_between_tokens_still_has_one() -> None:
    assigned = assign_tokens([Target(torch.tensor([1]), torch.tensor([[0.26, 0.26, 0.01, 0.01]]))], (4, 4))
    assert assigned.on[0].nonzero()[:, 0].tolist() == [5]


def found(boxes: list[list[float]], scores: list[float], labels: list[int]) -> Detections:
    queries = torch.arange(len(scores))
    return Detections(torch.tensor(boxes).view(-1, 4), torch.tensor(scores), torch.tensor(labels), queries)


def test_ap50_by_hand() -> None:
    left, right = [0.0, 0.0, 0.4, 0.4], [0.6, 0.6, 1.0, 1.0]
    centred = torch.tensor([[0.2, 0.2, 0.4, 0.4], [0.8, 0.8, 0.4, 0.4]])
    truth = [Target(torch.tensor([0, 0]), centred), Target(torch.tensor([1]), centred[:1])]
    here = [
        # right, a duplicate, right: precision 1 at recall 1/2, then 2/3 at recall 1
        found([left, left, right], [0.9, 0.8, 0.7], [0, 0, 0]),
        # a box that overlaps by 0.4 · 0.2 / (0.16 + 0.16 − 0.08) = 1/3 is wrong, and the class is found nowhere else
        found([[0.2, 0.0, 0.6, 0.4]], [0.9], [1]),
    ]
    each = ap50(here, truth, 3)
    assert each[0] == pytest.approx(100 * (1 / 2 + 2 / 3 / 2))
    assert each[1:] == [0.0, None]
    assert mean(each) == pytest.approx(100 * (5 / 6) / 2)
    assert mean([None]) == 0.0
