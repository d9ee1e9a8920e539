"""JS divergence to the oracle, and ZRF."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.spatial.distance
import torch

from expunge.evidence import Case
from expunge.evidence.measures.js_divergence import JSDivergence, js_divergence
from expunge.evidence.measures.zrf import ZRF, randomly_initialised
from expunge.tasks.views import Observed, View
from expunge.vision import ActivationCache, CosFaceHead, VisionModel
from expunge.vision.classifiers import CosineClassifier
from tests.evidence.measures import marks


def test_js_against_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.dirichlet(np.ones(5), 20), rng.dirichlet(np.ones(5), 20)
    expected = [scipy.spatial.distance.jensenshannon(p, q, base=2) ** 2 for p, q in zip(first, second, strict=True)]
    found = js_divergence(torch.tensor(first).log(), torch.tensor(second).log())
    assert found.tolist() == pytest.approx(expected)


def test_js_at_its_ends() -> None:
    inf = float("inf")
    sure = torch.tensor([[0.0, -1e4, -inf]])
    assert js_divergence(sure, sure).item() == 0
    assert js_divergence(sure, torch.tensor([[-1e4, 0.0, -inf]])).item() == pytest.approx(1)


def test_js_fires_on_the_untouched_model_and_not_on_the_oracle(original_case: Case, oracle_case: Case) -> None:
    fired = {row.key: row for row in JSDivergence().measure(original_case)}
    assert fired["js_forget"].value > 0.2
    assert fired["js_forget"].n == 40
    assert fired["js_retain"].n == 80
    assert fired["js_retain"].value < fired["js_forget"].value
    assert [row.value for row in JSDivergence().measure(oracle_case)] == pytest.approx([0.0, 0.0], abs=1e-12)


def test_js_says_why_it_cannot_be_taken(original_case: Case) -> None:
    assert JSDivergence().missing(replace(original_case, oracle=None)) == "needs an oracle"
    some = original_case.view.test.only(original_case.retain)
    one_sided = replace(original_case, view=View(original_case.view.attack, some), oracle=View(some, some))
    assert [row.key for row in JSDivergence().measure(one_sided)] == ["js_retain"]


def zrf(case: Case) -> float:
    return ZRF().measure(case)[0].value


def test_zrf_is_one_only_for_the_blank_model_itself(original_case: Case, original_model: VisionModel) -> None:
    blank = randomly_initialised(original_model, original_case.seed)
    output = ActivationCache(blank).outputs(original_case.test)
    itself = Observed(output.embedding, output.logits, original_case.view.test.labels)
    alike = replace(original_case, view=View(itself, itself))
    assert zrf(alike) == pytest.approx(1.0)
    assert zrf(original_case) < 0.9


def test_zrf_of_the_oracle_is_not_one_but_the_value_to_reach(original_case: Case, oracle_case: Case) -> None:
    (oracle,) = ZRF().measure(oracle_case)
    assert oracle.low is not None
    assert oracle.high is not None
    assert 0.3 < oracle.low < oracle.value < oracle.high < 0.9
    assert (oracle.n, oracle.aim) == (40, "oracle")


def test_of_fewer_than_five_images_there_is_no_interval(original_case: Case) -> None:
    test, images = original_case.view.test, original_case.test
    for count, known in ((4, False), (5, True)):
        rows = torch.arange(count)  # all of class 0
        few = View(original_case.view.attack, test.select(rows))
        assert original_case.oracle is not None
        theirs = View(original_case.oracle.attack, original_case.oracle.test.select(rows))
        case = replace(original_case, view=few, oracle=theirs, test=images.select(rows.tolist()), earlier=())
        for reading in (*ZRF().measure(case), *JSDivergence().measure(case)):
            assert reading.n == count
            assert (reading.low is not None, reading.high is not None) == (known, known)


def test_zrf_fires_on_the_untouched_model_more_than_on_one_without_opinion(original_case: Case) -> None:
    logits = torch.zeros_like(original_case.view.test.logits)
    blind = replace(original_case.view.test, logits=logits)
    assert zrf(replace(original_case, view=View(blind, blind))) > zrf(original_case) + 0.1


def test_the_copy_forgets_everything_and_the_model_nothing(original_model: VisionModel) -> None:
    before = original_model.digest()
    first, again, other = (randomly_initialised(original_model, seed) for seed in (1, 1, 2))
    assert original_model.digest() == before
    assert first.digest() == again.digest()
    assert first.digest() != other.digest()
    for (name, old), (_, new) in zip(
        original_model.module.named_parameters(), first.module.named_parameters(), strict=True
    ):
        assert not torch.equal(old, new), name
        if name.endswith("bias"):
            assert not new.any()
    weight = first.module.get_parameter("blocks.0.ffn.0.weight")
    assert weight.std().item() == pytest.approx(marks.WIDTH**-0.5, rel=0.15)
    assert torch.equal(first.module.get_parameter("norm.weight"), torch.ones(marks.WIDTH))


def test_the_copy_does_not_depend_on_what_was_learnt_or_struck(original_model: VisionModel) -> None:
    torch.manual_seed(1)
    models = []
    for struck in (0.0, -1e4):
        head = CosineClassifier(marks.WIDTH, len(marks.CLASSES))
        head.bias[0] = struck
        models.append(marks.wrap(marks.MarkReader(head), CosFaceHead()))
    assert len({randomly_initialised(model, 3).digest() for model in models}) == 1


def test_zrf_says_why_it_cannot_be_taken(original_case: Case) -> None:
    some = original_case.view.test.only(original_case.retain)
    blind = replace(original_case, view=View(original_case.view.attack, some))
    assert ZRF().missing(blind) == "needs test images of a forgotten class"
