"""Harmless fine-tuning: what it brings back, what it cannot, and that the model comes out as it went in."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from expunge.adapters import Edit, EditStack
from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.evidence import Case, Reading
from expunge.evidence.measures.harmless_tuning import HarmlessTuning
from expunge.evidence.strangers.lineup import ByClass, Lineup
from expunge.tasks.classification.views import view
from expunge.tasks.views import View
from expunge.vision import CosFaceHead, CosineClassifier
from tests.evidence.measures import marks


def _readings(case: Case, **settings: float) -> tuple[Reading, Reading]:
    after, gain = HarmlessTuning(**settings).measure(case)  # pyright: ignore[reportArgumentType]
    assert (after.key, gain.key) == ("harmless_tuning_relearning", "harmless_tuning_gain")
    assert after.n == gain.n == 40
    return after, gain


def test_fires_on_the_original_and_through_the_mask_but_not_on_the_oracle(
    original_case: Case, masked_case: Case, oracle_case: Case
) -> None:
    original, oracle = _readings(original_case), _readings(oracle_case)
    assert original[0].value >= 95
    assert _readings(masked_case) == original
    assert oracle[0].value < 70
    assert abs(original[1].value) < 5
    assert oracle[1].value < 10


@pytest.fixture(scope="module")
def jammed_case(original_case: Case) -> Case:
    """The original, its last block shouting along one direction: nothing is deleted, and tuning turns it down."""
    module = deepcopy(original_case.model.module)
    generator = torch.Generator().manual_seed(0)
    weight = module.get_parameter("blocks.2.ffn.2.weight")
    out, into = (functional.normalize(torch.randn(n, generator=generator), dim=0) for n in weight.shape)
    with torch.no_grad():
        weight.add_(60 * torch.outer(out, into))
    model = marks.wrap(module)
    return replace(original_case, model=model, view=view(model, original_case.attack, original_case.test))


def test_what_was_only_jammed_comes_back_by_tuning_on_others(jammed_case: Case) -> None:
    after, gain = _readings(jammed_case)
    assert after.value > 90
    assert gain.value > 10
    assert gain.low is not None
    assert gain.low > 0
    assert _readings(jammed_case, steps=1, lr=1e-9)[1].value == 0


def test_images_of_forgotten_classes_take_no_part_in_the_tuning(original_case: Case) -> None:
    """With other attack images of the forgotten classes the retained ones look the same after the tuning."""
    case, tuning = original_case, HarmlessTuning(steps=3)
    noise = tuple(marks.Marked(f"noise/{i}", torch.randn(3, 16, 16)) for i in range(len(case.attack)))
    swapped = tuple(
        noise[i] if label in case.forgotten else sample
        for i, (sample, label) in enumerate(zip(case.attack.samples, case.attack.labels, strict=True))
    )
    other = Images(swapped, case.attack.labels, case.attack.classes)

    def lineup(attack: Images) -> Lineup:
        return Lineup(case.model, case.view, attack, case.test, (1, 2), (3,), (5,))

    first, second = (tuning.by_class(lineup(attack)) for attack in (case.attack, other))
    assert all(torch.equal(first[key], second[key]) for key in tuning.known_side)


def test_class_by_class_who_was_forgotten_does_not_enter(oracle_case: Case) -> None:
    case, tuning = oracle_case, HarmlessTuning(steps=3)
    assert isinstance(tuning, ByClass)

    def found(forgotten: tuple[int, ...], strangers: tuple[int, ...]) -> dict[str, list[float]]:
        lineup = Lineup(case.model, case.view, case.attack, case.test, (1, 5), forgotten, strangers)
        return {key: values.tolist() for key, values in tuning.by_class(lineup).items()}

    first, second = found((0,), (2, 4)), found((2, 4), (0,))
    assert set(first) == set(tuning.known_side)
    assert all(second[key] == [*values[1:], values[0]] for key, values in first.items())
    unseen, seen, _ = first["harmless_tuning_relearning"]
    assert unseen < 0.8 < seen  # the oracle has learnt class 2


def test_no_value_class_by_class_where_a_prototype_lacks_images(oracle_case: Case) -> None:
    case = oracle_case
    few = case.attack.select([row for row, label in enumerate(case.attack.labels) if label != 4 or row % 5 == 0])
    lineup = Lineup(case.model, case.view, few, case.test, (1, 5), (0,), (2, 4))
    assert HarmlessTuning().by_class(lineup) == {}


def test_models_come_out_bit_for_bit(masked_case: Case) -> None:
    before = masked_case.model.digest()
    first = _readings(masked_case, steps=3)
    assert _readings(masked_case, steps=3) == first
    assert masked_case.model.digest() == before
    module = masked_case.model.module
    assert not any(p.requires_grad or p.grad is not None for p in module.parameters())


def test_a_cosine_head_is_tuned_with_its_own_loss(original_case: Case) -> None:
    seen = original_case.view.attack
    module: nn.Module = deepcopy(original_case.model.module)
    head = CosineClassifier(marks.WIDTH, 6, scale=16.0)
    with torch.no_grad():
        means = torch.stack([seen.only([label]).embedding.mean(0) for label in range(6)])
        head.weight.copy_(functional.normalize(means, dim=1))
    module.head = head
    model = marks.wrap(module, CosFaceHead(scale=16.0, margin=0.1))
    EditStack(model).push(Edit(masked=(0, 4)))
    case = replace(original_case, model=model, view=view(model, original_case.attack, original_case.test))
    before = model.digest()
    assert _readings(case, steps=10)[0].value >= 90
    assert model.digest() == before


def test_reasons_why_not(original_case: Case) -> None:
    tuning, case = HarmlessTuning(), original_case
    assert tuning.missing(case) is None
    assert HarmlessTuning(images=21).missing(case) == "needs 21 attack images of each forgotten class"
    part = View(case.view.attack.select(torch.arange(60)), case.view.test)
    assert tuning.missing(replace(case, view=part)) == "needs a view of all attack images and all test images"
    assert "retained" in (tuning.missing(replace(case, retain=())) or "")


def test_impossible_settings() -> None:
    for settings in ({"steps": 0}, {"images": 0}, {"blocks": 0}, {"lr": 0.0}):
        with pytest.raises(EvidenceError, match="must be greater than 0, got 0"):
            HarmlessTuning(**settings)  # pyright: ignore[reportArgumentType]
