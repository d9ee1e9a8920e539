"""Embedders written and read: without the rows of struck people; damaged and misfit galleries get one clear error."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from expunge.adapters import Edit, EditStack
from expunge.cli.app import run
from expunge.data import Images, Splits
from expunge.errors import (
    CorruptWeightsError,
    DuplicateClassError,
    EmptyClassError,
    ExpungeError,
    HeadError,
    ModelNotFoundError,
)
from expunge.release.onnx import export_onnx
from expunge.runs import load, task_at
from expunge.tasks.embedding import EmbeddingModel, enroll, load_embedder
from expunge.tasks.embedding._disk import FILE, GALLERY
from expunge.vision import standard_preprocess
from tests.toy_faces import PEOPLE


def test_reads_what_it_wrote_bit_for_bit(embedder: EmbeddingModel, tmp_path: Path) -> None:
    embedder.save(tmp_path / "again")
    again = load(tmp_path / "again")
    assert isinstance(again, EmbeddingModel)
    assert (again.digest(), again.classes, again.task) == (embedder.digest(), PEOPLE[:10], "embedding")
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(again(pixels).logits, embedder(pixels).logits)


def test_a_saved_gallery_does_not_hold_struck_people(embedder: EmbeddingModel, tmp_path: Path) -> None:
    rows = embedder.gallery.weight[embedder.gallery.owners == 4].clone()
    EditStack(embedder).push(Edit(masked=(4,)))
    embedder.save(tmp_path / "released")
    stored = load_file(tmp_path / "released" / GALLERY)
    assert (stored["embeddings"].shape, 4 in stored["owners"]) == ((90, 48), False)
    whole = b"".join(path.read_bytes() for path in (tmp_path / "released").iterdir())
    assert not any(row.numpy().tobytes() in whole for row in rows)
    again = load_embedder(tmp_path / "released")
    assert (again.digest(), again.classes) == (embedder.digest(), embedder.classes)
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(again(pixels).logits, embedder(pixels).logits)


def test_transformers_reads_the_backbone(embedder_folder: Path) -> None:
    from transformers import Dinov2Model

    assert isinstance(Dinov2Model.from_pretrained(embedder_folder), Dinov2Model)


def test_a_bare_backbone_says_to_enroll_first(
    backbone_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert task_at(backbone_folder).name == "embedding"
    with pytest.raises(ModelNotFoundError, match=r"without a gallery.*expunge enroll"):
        load(backbone_folder)
    assert run(["inspect", str(backbone_folder)]) == 2
    assert "expunge enroll" in capsys.readouterr().err


def _rows(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tensors = {name: tensor.clone() for name, tensor in load_file(folder / GALLERY).items()}
        change(tensors)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / GALLERY)

    return damage


def _said(**values: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        manifest = json.loads((folder / FILE).read_text())
        (folder / FILE).write_text(json.dumps(manifest | values))

    return damage


@pytest.mark.parametrize(
    ("damage", "error", "why"),
    [
        (_rows(lambda t: t.update(embeddings=t["embeddings"][:, :40])), HeadError, "have 40 numbers.*gives 48"),
        (_rows(lambda t: t["owners"].fill_(10)), HeadError, "person 10, whom expunge.json does not name"),
        (
            _rows(lambda t: t.update(owners=t["owners"][:-1])),
            HeadError,
            r"owner of each row.*\(100, 48\) and \(99,\)",
        ),
        (_rows(lambda t: t.update(owners=t["owners"].float())), HeadError, "int64 owners"),
        (_rows(lambda t: t["embeddings"][0].zero_()), HeadError, "finite and not zero"),
        (_rows(lambda t: t.pop("owners")), CorruptWeightsError, "lacks `embeddings` and `owners`"),
        (_said(people=[*PEOPLE[:9], PEOPLE[0]]), DuplicateClassError, "the name 'p00' twice"),
        (_said(people=PEOPLE[:9]), HeadError, "person 9, whom expunge.json does not name"),
        (_said(people=[]), CorruptWeightsError, "names of people, found none"),
        (_said(pooling="sum"), CorruptWeightsError, "'cls', 'mean', 'pooler'"),
        (_said(scale=-1.0), CorruptWeightsError, "greater than 0"),
        (lambda folder: (folder / GALLERY).unlink(), CorruptWeightsError, "is missing"),
        (lambda folder: (folder / GALLERY).write_bytes(b"{"), CorruptWeightsError, "damaged"),
        (lambda folder: (folder / FILE).write_text("{"), CorruptWeightsError, "expunge.json cannot be read"),
    ],
)
def test_a_damaged_or_misfit_gallery_is_one_clear_error(
    damage: Callable[[Path], None], error: type[ExpungeError], why: str, embedder_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "embedder"
    shutil.copytree(embedder_folder, folder)
    damage(folder)
    with pytest.raises(error, match=why):
        load(folder)


def test_enrolls_any_module_that_gives_embeddings(people: Splits[Images], tmp_path: Path) -> None:
    def network() -> torch.nn.Module:
        torch.manual_seed(0)
        ffn = torch.nn.TransformerEncoderLayer(12, 2, 24, batch_first=True, dropout=0.0)
        mean = _Mean(torch.nn.TransformerEncoder(ffn, 2, enable_nested_tensor=False))
        return torch.nn.Sequential(torch.nn.Conv2d(3, 12, 8, 8), torch.nn.Flatten(2), mean)

    with pytest.raises(HeadError, match="expected a preprocess"):
        enroll(network(), people.test)
    preprocess = standard_preprocess(32, (0.5,) * 3, (0.5,) * 3)
    made = enroll(network(), people.test, preprocess=preprocess, rows=2)
    assert (made.gallery.counts(), made.gallery.weight.shape[1], len(made.blocks)) == ((2,) * 10, 12, 2)
    made.save(tmp_path / "own")
    with pytest.raises(ModelNotFoundError, match="Build its module in Python"):
        load(tmp_path / "own")
    other = network()
    with torch.no_grad():
        next(other.parameters()).zero_()
    assert load_embedder(tmp_path / "own", other).digest() == made.digest()
    with pytest.raises(CorruptWeightsError, match="does not fit Linear"):
        load_embedder(tmp_path / "own", torch.nn.Linear(2, 2))


class _Mean(torch.nn.Module):
    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.encoder(maps.movedim(1, 2)).mean(1)


def test_enroll_refuses_a_person_without_a_photo(embedder: EmbeddingModel, people: Splits[Images]) -> None:
    with pytest.raises(EmptyClassError, match="no photo of 'p02' to enroll"):
        enroll(embedder, people.test.without([2]))


def test_enrolling_anew_leaves_the_old_gallery_out(embedder: EmbeddingModel, people: Splits[Images]) -> None:
    EditStack(embedder).push(Edit(masked=(0,)))
    again = enroll(embedder, people.test, rows=3, name="again")
    assert (again.gallery.counts(), again.name) == ((3,) * 10, "again")


@pytest.mark.slow
def test_is_exported_with_its_gallery(embedder: EmbeddingModel, people: Splits[Images], tmp_path: Path) -> None:
    EditStack(embedder).push(Edit(masked=(0,)))
    pixels = embedder.prepare(people.test.load(range(4)))
    assert export_onnx(embedder, tmp_path / "model.onnx", pixels).largest_difference < 1e-3
