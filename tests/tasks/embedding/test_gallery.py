"""The gallery as a head: by hand, and as an edit strikes it."""

import math

import pytest
import torch
from torch.nn import functional

from expunge.adapters import Edit, EditStack
from expunge.errors import HeadError
from expunge.tasks.embedding import EmbeddingModel, Gallery
from expunge.tasks.embedding.gallery import fitting_scale
from expunge.vision.heads import STRUCK_LOGIT


def _gallery() -> Gallery:
    rows = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0], [-1.0, 0.0]])
    return Gallery(rows, torch.tensor([0, 0, 2, 3]), people=4, scale=10.0)


def test_best_cosine_of_each_person_by_hand() -> None:
    # At 60 degrees: person 0 has rows at 0 and 90 degrees, person 2 at 45, person 3 at 180, person 1 none.
    logits = _gallery()(torch.tensor([[5 * math.cos(math.pi / 3), 5 * math.sin(math.pi / 3)]]))
    wanted = [10 * math.cos(math.pi / 6), STRUCK_LOGIT, 10 * math.cos(math.pi / 12), -5.0]
    assert logits[0].tolist() == pytest.approx(wanted, rel=1e-6)


def test_gradient_reaches_the_embedding_by_the_best_row() -> None:
    embedding = torch.tensor([[0.6, 0.8]], requires_grad=True)
    _gallery()(embedding)[0, 0].backward()
    # d(cos with (0, 1)) / d(z) at |z| = 1 is (0, 1) - 0.8 z.
    assert embedding.grad is not None
    assert embedding.grad[0].tolist() == pytest.approx([10 * -0.48, 10 * (1 - 0.64)], rel=1e-5)


def test_struck_rows_are_not_kept_and_answers_stay_bit_for_bit() -> None:
    gallery, looked = _gallery(), functional.normalize(torch.randn(50, 2), dim=1)
    with torch.no_grad():
        gallery.weight[:2] = 0.0
        gallery.bias[0] = STRUCK_LOGIT
    kept = gallery.kept()
    assert (gallery.counts(), kept.counts()) == ((0, 0, 1, 1), (0, 0, 1, 1))
    assert (len(kept.weight), kept.owners.tolist(), kept.bias.tolist()) == (2, [2, 3], [STRUCK_LOGIT] * 2 + [0.0] * 2)
    assert torch.equal(kept(looked), gallery(looked))
    assert torch.equal(kept.weight, gallery.weight[2:])


@pytest.mark.parametrize(
    ("rows", "owners", "scale", "why"),
    [
        (torch.ones(0, 2), torch.zeros(0, dtype=torch.int64), 1.0, "with rows"),
        (torch.ones(1, 2), torch.tensor([4]), 1.0, "persons 0 to 3"),
        (torch.ones(1, 2), torch.tensor([-1]), 1.0, "persons 0 to 3"),
        (torch.zeros(1, 2), torch.tensor([0]), 1.0, "not zero"),
        (torch.full((1, 2), torch.nan), torch.tensor([0]), 1.0, "finite"),
        (torch.ones(1, 2), torch.tensor([0]), 0.0, "scale above 0"),
    ],
)
def test_refuses_what_is_no_gallery(rows: torch.Tensor, owners: torch.Tensor, scale: float, why: str) -> None:
    with pytest.raises(HeadError, match=why):
        Gallery(rows, owners, people=4, scale=scale)


def test_scale_is_no_greater_than_it_need_be() -> None:
    apart = torch.eye(4).repeat_interleave(2, dim=0)
    owners = torch.arange(4).repeat_interleave(2)
    # Cosines 1 and 0: exp(-s) · 3 nats. 4 gives 0.053, 8 gives 0.001, within 0.01 of the best.
    assert fitting_scale(apart, owners) == 8.0
    assert fitting_scale(torch.eye(4), torch.arange(4)) == 64.0  # nobody has two
    noise = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    assert fitting_scale(noise, torch.arange(4).repeat(10)) == 4.0  # nobody can be told apart


def test_edit_strikes_all_rows_of_a_person_and_undo_is_bit_for_bit(embedder: EmbeddingModel) -> None:
    stack, before = EditStack(embedder), embedder.digest()
    rows = embedder.gallery.weight.clone()
    stack.push(Edit(masked=(3,)))
    once = embedder.digest()
    stack.push(Edit(masked=(5, 0)))
    assert embedder.gallery.counts() == (0, 10, 10, 0, 10, 0, 10, 10, 10, 10)
    assert embedder(torch.rand(2, 3, 32, 32)).logits[:, [0, 3, 5]].tolist() == [[STRUCK_LOGIT] * 3] * 2
    stack.undo()
    assert embedder.digest() == once != before
    stack.undo()
    assert embedder.digest() == before
    assert torch.equal(embedder.gallery.weight, rows)


def test_logits_of_the_model_are_nearest_rows(embedder: EmbeddingModel) -> None:
    output = embedder(torch.rand(3, 3, 32, 32))
    cosines = functional.normalize(output.embedding, dim=1) @ embedder.gallery.weight.T
    order = embedder.gallery.owners.argsort(stable=True)
    wanted = cosines[:, order].unflatten(1, (10, 10)).amax(2) * embedder.gallery.scale
    assert torch.allclose(output.logits, wanted, atol=1e-5)
