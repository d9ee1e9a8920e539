"""A suite whose models do something else than ours: its cells name its task, and tables are in its words."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
import transformers

from expunge.bench import run as running
from expunge.bench._columns import OWN, columns
from expunge.bench._page import make_page
from expunge.bench._results import Cell
from expunge.bench.aggregate import summaries
from expunge.bench.load import load_cells
from expunge.bench.run import run_suite
from expunge.bench.suite import Setting, Suite
from expunge.data import Images, Splits
from expunge.errors import CorruptRunError
from expunge.runs import read
from expunge.tasks.detection import Detection
from expunge.tasks.embedding import EmbeddingModel, enroll
from expunge.vision import VisionModel, standard_preprocess
from tests.bench.made_up import cell, rate, request, write
from tests.toy import SIZE


class Embedders(Suite):
    """An untrained embedder. It never saw anybody, so with people enrolled anew it is its own oracle."""

    task: ClassVar[str] = EmbeddingModel.task


def embedder(people: Images) -> EmbeddingModel:
    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, patch_size=8, image_size=SIZE
    )
    return enroll(
        transformers.Dinov2Model(config).eval(), people, preprocess=standard_preprocess(SIZE, (0.5,) * 3, (0.5,) * 3)
    )


@pytest.fixture(scope="module")
def splits(toy_data_folder: Path) -> Splits[Images]:
    return read(toy_data_folder, task="classification")


def test_its_cells_name_its_task_and_are_shown(splits, tmp_path, monkeypatch) -> None:
    def train(images: Images, seed: int, start: VisionModel | None) -> VisionModel:
        return embedder(splits.train)

    suite = Embedders(
        name="people",
        summary="stripes as people",
        requests=(("amber",), ("blue",)),
        settings=(Setting("all", "all photos"),),
        load=lambda: splits,
        base=lambda: embedder(splits.train),
        train=train,
        recipe={},
        checkpoints=(2,),
        taken=("forgetting", "rows-in-place", "nearest-centre"),
    )
    monkeypatch.setattr(running, "find_suite", lambda name, quick: suite)
    assert run_suite("people", tmp_path, methods=["original", "head-mask"], seeds=[0]) == 2
    cells = load_cells(tmp_path)
    assert {one.task for one in cells} == {"embedding"}
    assert cells[0].requests[-1].readings["acc_f"].value == 0
    assert cells[1].requests[-1].readings["acc_f"].value > 0
    (summary,) = summaries(cells)
    assert "acc_f" in {column.key for column in columns(summary.keys, summary.task)}
    assert "## people" in make_page(tmp_path, tmp_path).text


def test_a_task_with_no_columns_of_its_own_is_shown_in_its_measures_words(monkeypatch) -> None:
    """As one of another package would be whose rates are no accuracies."""
    monkeypatch.setattr("expunge.bench._columns.OWN", {})
    assert Detection.name in OWN
    shown = columns(("acc_f", "h"), Detection.name)
    assert {column.heading for column in shown} == {"AP50_f", "H in AP50"}


def test_a_cell_of_a_task_that_is_not_installed_says_what_to_do(tmp_path) -> None:
    one = cell("ewc", 0, [request(1, {"acc_f": rate(0.0)})], task="detection")
    (path,) = [path for path in write(tmp_path, [one]).rglob("*.json")]
    text = path.read_text()
    assert Cell.parse(text) == one
    with pytest.raises(CorruptRunError, match=r"expected one of classification, .*got 'poses'. Install the package"):
        Cell.parse(text.replace('"detection"', '"poses"'))
