"""The task of docs/how-to/add-a-task.md, built from the page's own code blocks, forgets a label on the command line."""

import csv
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from tests import toy

BLOCK = re.compile(r'```\w+ title="([^"]+)"\n(.*?)```', re.S)
PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-task.md"
MOST_LINES = 300
POLICY = """
schema = "expunge/policy/v1"
name = "a label goes"
[[rule]]
key = "acc_f"
kind = "erasure"
max = 20.0
[[rule]]
key = "rows_in_place_acc_f"
kind = "erasure"
max = 20.0
[[rule]]
key = "acc_r"
kind = "harm"
max_loss_from_original = 10.0
"""


@pytest.fixture(scope="module")
def blocks() -> dict[str, str]:
    """File name -> text of the page's titled code blocks."""
    return dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def installed(blocks: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what installing the page's package would leave there: the module, and its entry points."""
    project = tomllib.loads(blocks["pyproject.toml"])["project"]
    folder = tmp_path_factory.mktemp("site")
    facts = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    facts.mkdir()
    (folder / "multi_label.py").write_text(blocks["multi_label.py"], encoding="utf-8")
    (facts / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8")
    points = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in project["entry-points"].items()
    )
    (facts / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")
    return folder


def picture(labels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """The stripes of two classes, side by side."""
    whole = Image.new("RGB", (toy.SIZE, toy.SIZE))
    for place, label in enumerate(labels):
        whole.paste(toy.stripes(int(label), rng).crop((0, 0, toy.SIZE // 2, toy.SIZE)), (place * toy.SIZE // 2, 0))
    return whole


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 training pictures and 60 test pictures, two labels each."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(5)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("part", "file", "labels"))
        for number in range(120):
            labels = rng.choice(len(toy.CLASSES), 2, replace=False)
            picture(labels, rng).save(folder / f"{number}.png")
            names = "|".join(toy.CLASSES[label] for label in labels)
            table.writerow(("train" if number < 60 else "test", f"{number}.png", names))
    return folder


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ViT trained on fresh pictures to say yes or no to every class, as transformers saves it."""
    from transformers import ViTConfig, ViTForImageClassification
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        image_size=toy.SIZE,
        patch_size=8,
        id2label=dict(enumerate(toy.CLASSES)),
        label2id={name: label for label, name in enumerate(toy.CLASSES)},
        problem_type="multi_label_classification",
    )
    model, rng = ViTForImageClassification(config), np.random.default_rng(1)
    processor = ViTImageProcessorPil(size={"height": toy.SIZE, "width": toy.SIZE})
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(400):
        labels = [rng.choice(len(toy.CLASSES), 2, replace=False) for _ in range(24)]
        pixels = processor(images=[picture(two, rng) for two in labels], return_tensors="pt")["pixel_values"]
        truth = torch.zeros(24, len(toy.CLASSES)).scatter_(1, torch.from_numpy(np.stack(labels)), 1.0)
        loss = functional.binary_cross_entropy_with_logits(model(pixels).logits, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("tagger") / "tagger"
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def expunge(installed: Path):
    """Runs a command with the package on the path and returns what it printed."""

    def go(*arguments: object, code: int = 0) -> str:
        path = os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", "expunge", *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return go


@pytest.fixture(scope="module")
def forgotten(expunge, tagger: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("forgotten") / "run"
    expunge("forget", tagger, "--data", photos, "--request", "blue", "--request", "coral", "--out", out)
    return out


def test_a_task_takes_fewer_than_300_lines(blocks: dict[str, str]) -> None:
    assert sum(text.count("\n") for text in blocks.values()) < MOST_LINES


@pytest.mark.slow
def test_its_models_are_known(expunge, tagger: Path) -> None:
    text = expunge("inspect", tagger)
    assert "task: image tagger" in text
    assert "6 classes" in text


@pytest.mark.slow
def test_a_label_goes_and_the_others_stay(forgotten: Path) -> None:
    metrics = json.loads((forgotten / "metrics.json").read_text())
    first, request = metrics["requests"]
    assert request["acc_o"]["before"] > 80 > 20 > request["acc_o"]["after"]
    assert (first["classes"], first["images"]["forget"] > 5) == (["blue"], True)
    assert (metrics["task"], metrics["unit"], metrics["method"]) == ("multi-label", "F1", "gs-lora")
    assert request["acc_f"]["before"] > 80
    assert request["acc_f"]["after"] < 20
    assert request["weights_alone"]["acc_f"]["after"] < 20
    assert request["acc_r"]["before"] > 80
    assert request["acc_r"]["after"] > request["acc_r"]["before"] - 10
    assert request["head_mask"]["acc_f"] == 0
    report = (forgotten / "report.html").read_text()
    assert "F1" in report
    assert "ccuracy" not in report


@pytest.mark.slow
def test_plain_transformers_says_the_same(forgotten: Path, tagger: Path, photos: Path) -> None:
    """Counted once more from the saved model, by the definition."""
    from transformers import ViTForImageClassification
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    with (photos / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    pictures = []
    for row in rows:
        with Image.open(photos / row["file"]) as image:
            pictures.append(image.convert("RGB"))
    truth = np.array([[name in row["labels"].split("|") for name in toy.CLASSES] for row in rows])

    def f1(folder: Path) -> np.ndarray:
        model, processor = (
            ViTForImageClassification.from_pretrained(folder),
            ViTImageProcessorPil.from_pretrained(tagger),
        )
        pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            said = (model.eval()(pixels).logits > 0).numpy()
        return 100 * 2 * (said & truth).sum(0) / (said.sum(0) + truth.sum(0))

    *_, request = json.loads((forgotten / "metrics.json").read_text())["requests"]
    others = [label for label, name in enumerate(toy.CLASSES) if name not in ("blue", "coral")]
    for folder, when in ((tagger, "before"), (forgotten / "model", "after")):
        rates = f1(folder)
        assert rates[toy.CLASSES.index("coral")] == pytest.approx(request["acc_f"][when], abs=0.01)
        assert rates[others].mean() == pytest.approx(request["acc_r"][when], abs=0.01)


@pytest.mark.slow
def test_it_is_measured(expunge, forgotten: Path, tagger: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(POLICY)
    asked = ("--data", photos, "--forgotten", "coral", "--earlier", "blue", "--policy", tmp_path / "rules.toml")
    text = expunge("measure", tagger, forgotten / "model", *asked, "--out", tmp_path / "card")
    assert "verdict: erased" in text
    text = expunge("measure", tagger, tagger, *asked, "--out", tmp_path / "untouched", code=3)
    assert "verdict: not erased" in text
    card = json.loads((tmp_path / "card/scorecard.json").read_text())
    rows = {row["key"]: row for row in card["rows"]}
    assert card["task"] == "multi-label"
    assert rows["acc_f"]["original"] > 80 > 20 > rows["acc_f"]["value"]
    assert "linear_probe" in rows
