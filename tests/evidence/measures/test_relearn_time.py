"""Re-learning: who needs how many steps, and that the model comes out as it went in."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from expunge.adapters import Edit, EditStack
from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.evidence import Case
from expunge.evidence.measures.relearn_time import (
    Bound,
    RelearnTime,
    anamnesis_bound,
    anamnesis_index,
    difference_bound,
    opened,
    reaches,
    steps_bound,
)
from expunge.tasks.classification.accuracy import accuracy
from expunge.tasks.classification.views import view
from expunge.vision import ActivationCache, CosFaceHead, CosineClassifier, VisionModel
from tests.evidence.measures import marks


def test_anamnesis_index_by_hand() -> None:
    assert anamnesis_index(0.0, 0.0) == 1.0
    assert anamnesis_index(0.0, 49.99) == pytest.approx(0.0002)
    assert anamnesis_index(30.0, 9.99) == pytest.approx(3.001)
    with pytest.raises(EvidenceError, match="0 or more"):
        anamnesis_index(-1.0, 3.0)


@pytest.mark.parametrize(
    ("edited", "oracle", "bound"),
    [
        (60.0, 67.0, None),
        (60.0, 100.0, "at_most"),
        (100.0, 67.0, "at_least"),
        (100.0, 100.0, "unknown"),
        (0.0, 99.0, None),
    ],
)
def test_an_index_with_steps_at_the_cap_is_only_a_bound(edited: float, oracle: float, bound: Bound | None) -> None:
    assert anamnesis_bound(edited, oracle) == bound
    assert anamnesis_bound(edited / 10, oracle / 10, cap=10) == bound


def test_bounds_of_steps_and_of_differences() -> None:
    assert [steps_bound(steps) for steps in (0.0, 99.0, 100.0)] == [None, None, "at_least"]
    assert difference_bound("at_most", "at_least") == "at_most"
    assert difference_bound("at_most", "at_most") == "unknown"
    assert difference_bound("unknown", None) == difference_bound(None, "unknown") == "unknown"


def _steps(case: Case, **settings: float) -> float:
    reading, alike = RelearnTime(**settings).measure(case)  # pyright: ignore[reportArgumentType]
    assert (reading.unit, reading.n) == (alike.unit, alike.n) == ("steps", 40)
    assert (reading.key, alike.key) == tuple(RelearnTime.labels)
    return reading.value


def test_nothing_hidden_soon_never_known(original_case: Case, masked_case: Case, oracle_case: Case) -> None:
    assert _steps(original_case) == 0
    masked = _steps(masked_case)
    assert 0 < masked < 60
    assert _steps(masked_case) == masked
    assert _steps(oracle_case) == 100
    assert anamnesis_index(masked, 100.0) < 0.6


def _alike(case: Case) -> float:
    return RelearnTime().measure(case)[1].value


def test_with_rows_anew_a_head_s_own_rows_decide_nothing(
    original_case: Case, masked_case: Case, oracle_case: Case
) -> None:
    """The mask erases nothing, and it shows: it needs what the untouched model needs."""
    original = _alike(original_case)
    assert 0 < original == _alike(masked_case) < 60
    assert _alike(oracle_case) == 100


def test_where_all_rows_were_struck_it_is_one_run(
    original_case: Case, masked_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[int, ...]] = []
    steps = RelearnTime._steps

    def counted(self: RelearnTime, case: Case, cache: ActivationCache, anew: tuple[int, ...], *images: Images) -> int:
        ran.append(anew)
        return steps(self, case, cache, anew, *images)

    monkeypatch.setattr(RelearnTime, "_steps", counted)
    first, second = RelearnTime(cap=2).measure(masked_case)
    assert (first.value, second.value, ran) == (2.0, 2.0, [(0, 4)])
    RelearnTime(cap=2).measure(original_case)
    assert ran[1:] == [(), (0, 4)]


def test_a_lower_bar_is_reached_sooner(masked_case: Case) -> None:
    assert _steps(masked_case, alpha=0.5) < _steps(masked_case, alpha=0.05)


@pytest.mark.parametrize("classes", [(0, 4), (1, 2, 3, 5), range(6)])
def test_a_target_is_reached_if_all_images_say_so_and_ruled_out_as_soon_as_can_be(masked_case: Case, classes) -> None:
    test = masked_case.test.only(classes)
    cache = ActivationCache(masked_case.model, batch_size=7)
    known = accuracy(cache.outputs(test).logits, torch.tensor(test.labels)).percent
    for target in (0.0, 1.0, 50.0, known - 1e-6, known, known + 1e-6, 100.0):
        assert reaches(cache, test, target) == (known >= target)
    ran = []
    counted = ActivationCache(masked_case.model, batch_size=7)
    handle = counted.model.module.register_forward_hook(lambda *call: ran.append(1))
    assert not reaches(counted, test, 101.0)
    handle.remove()
    assert len(ran) <= 2  # one batch, and a model may try itself out first


def test_models_come_out_bit_for_bit(masked_case: Case) -> None:
    model = masked_case.model
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    _steps(masked_case, cap=3)
    after = model.module.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not any(p.requires_grad or p.grad is not None for p in model.module.parameters())


@pytest.fixture
def cosine_case(original_case: Case) -> Case:
    """The original under a cosine head whose directions are its mean features, with the forgotten classes struck."""
    seen = original_case.view.attack
    means = torch.stack([seen.only([label]).embedding.mean(0) for label in range(6)])
    module = deepcopy(original_case.model.module)
    module.head = CosineClassifier(marks.WIDTH, 6, scale=16.0)
    with torch.no_grad():
        module.head.weight.copy_(functional.normalize(means, dim=1))
    model = marks.wrap(module, CosFaceHead(scale=16.0, margin=0.1))
    before = view(model, original_case.attack, original_case.test)
    EditStack(model).push(Edit(masked=(0, 4)))
    after = view(model, original_case.attack, original_case.test)
    return replace(original_case, model=model, view=after, original=before)


def test_a_struck_row_of_a_cosine_head_comes_back_though_its_bias_is_a_buffer(cosine_case: Case) -> None:
    bias = cosine_case.model.module.get_submodule("head").get_buffer("bias")
    before = bias.clone()
    assert before.tolist() == [-1e4, 0, 0, 0, -1e4, 0]
    assert 0 < _steps(cosine_case) < 100
    assert torch.equal(bias, before)


def test_opened_names_and_rows(original_model: VisionModel) -> None:
    model = marks.wrap(deepcopy(original_model.module))
    EditStack(model).push(Edit(masked=(0,)))
    head = model.module.get_submodule("head")
    with opened(model, 1, [0], [1, 2]) as parameters:
        assert len(parameters) == 2 + 6  # weight and bias; a norm and two Linear layers
        assert all(parameter.requires_grad for parameter in parameters)
        weight, bias = (head.get_parameter(name).detach() for name in ("weight", "bias"))
        assert torch.allclose(weight[0], weight[1:3].mean(0))
        assert float(bias[0]) == pytest.approx(float(bias[1:3].mean()))
    assert head.get_parameter("weight")[0].count_nonzero() == 0
    assert float(head.get_parameter("bias")[0]) == -1e4


def test_restored_though_the_attack_fails_midway(original_model: VisionModel) -> None:
    before = original_model.digest()

    def attack() -> None:
        with opened(original_model, 2, [0], [1]) as parameters:
            parameters[0].data.add_(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack()
    assert original_model.digest() == before


def test_reasons_why_not(original_case: Case, oracle_case: Case) -> None:
    assert RelearnTime().missing(original_case) is None
    reason = "needs an original that knew the forgotten classes"
    assert RelearnTime().missing(replace(original_case, original=oracle_case.view)) == reason
    assert RelearnTime().missing(replace(original_case, retain=())) == "needs a retained class"


def test_impossible_settings() -> None:
    with pytest.raises(EvidenceError, match="cap must be greater than 0, got 0"):
        RelearnTime(cap=0)
    with pytest.raises(EvidenceError, match="alpha must be less than 1, got 1"):
        RelearnTime(alpha=1.0)
    with pytest.raises(EvidenceError, match="lr must be a finite number, got nan"):
        RelearnTime(lr=float("nan"))
