import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from expunge.errors import MethodError
from expunge.methods import GSLoRA, GSLoRAPlusPlus, make_method
from expunge.tasks.classification.batches import Batch
from expunge.tasks.classification.bounds import prototype_bound
from expunge.tasks.classification.context import Context
from expunge.vision import Output

RNG = np.random.default_rng(0)
RETAIN = (RNG.normal(size=(4, 48)), RNG.normal(size=(4, 6)), np.array([2, 3, 5, 2]))
FORGET = (RNG.normal(size=(3, 48)), RNG.normal(size=(3, 6)), np.array([0, 1, 0]))


def cross_entropy(logits, labels) -> float:
    return float(-np.mean([log_softmax(row)[label] for row, label in zip(logits, labels, strict=True)]))


def divergence(embeddings, labels, prototypes) -> float:
    terms = []
    for z, label in zip(embeddings, labels, strict=True):
        p = prototypes[label]
        terms.append(np.sum(softmax(z) * (log_softmax(z) - log_softmax(p))))
    return float(np.mean(terms))


def value(method, context: Context, task) -> float:
    def batch(part) -> Batch:
        embedding, logits, labels = part
        output = Output(torch.tensor(embedding).float(), torch.tensor(logits).float())
        return Batch((), torch.tensor(labels), output)

    return float(method.objective(context, task)(batch(RETAIN), batch(FORGET)))


@pytest.mark.parametrize("bound", [0.5, 9.0])
def test_objective_of_gs_lora(context, task, bound) -> None:
    expected = cross_entropy(*RETAIN[1:]) + 0.3 * max(0.0, bound - cross_entropy(*FORGET[1:]))
    found = value(GSLoRA(beta=0.3, bound=bound), context(), task)
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_derived_bound_is_twice_chance(context, task) -> None:
    expected = cross_entropy(*RETAIN[1:]) + 0.3 * (2 * np.log(6) - cross_entropy(*FORGET[1:]))
    assert value(GSLoRA(beta=0.3), context(), task) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("limit", [0.0, 0.01, 50.0])
def test_objective_of_gs_lora_plus_plus(context, task, limit) -> None:
    made = context()
    prototypes = made.prototypes.values.numpy()
    used = limit or prototype_bound(made.prototypes)
    expected = (
        cross_entropy(*RETAIN[1:])
        + 0.3 * max(0.0, 9.0 - cross_entropy(*FORGET[1:]))
        + 0.5 * max(0.0, used - divergence(FORGET[0], FORGET[2], prototypes))
        + 0.7 * divergence(RETAIN[0], RETAIN[2], prototypes)
    )
    method = GSLoRAPlusPlus(beta=0.3, bound=9.0, prototype_forget=0.5, prototype_retain=0.7, prototype_bound=limit)
    assert value(method, made, task) == pytest.approx(expected, rel=1e-4)


def test_plus_plus_needs_prototypes(context, task) -> None:
    made = context()
    with pytest.raises(MethodError, match="needs the original model's prototypes"):
        GSLoRAPlusPlus().objective(Context(made.model, made.activations), task)


def test_the_published_preset_holds_the_published_constants() -> None:
    expected = {
        "rank": 8,
        "epochs": 100,
        "max_steps": 0,
        "batch_size": 48,
        "lr": 1e-2,
        "min_lr": 1e-5,
        "weight_decay": 0.05,
        "bound": 105.0,
        "beta": 0.3,
        "alpha": 1e-4,
        "sparsity": "subgradient",
        "prototype_forget": 0.015,
        "prototype_bound": 50.0,
        "ema_decay": 0.9,
    }
    settings = vars(make_method("gs-lora++", preset="published"))
    assert {name: settings[name] for name in expected} == expected


def test_a_strong_proximal_step_prunes_everything(context, task) -> None:
    edit = GSLoRA(epochs=4, alpha=10.0, warmup=0.0).forget(context(), task)
    assert not edit.deltas


def test_the_subgradient_never_prunes(context, task) -> None:
    made = context()
    edit = GSLoRA(epochs=4, alpha=1.0, warmup=0.0, sparsity="subgradient").forget(made, task)
    assert set(edit.deltas) == {name for block in made.model.blocks for name in block.linears}


def test_a_pruned_block_is_gone_whole(context, task) -> None:
    """Between nothing and everything pruned, blocks go or stay as one."""
    made = context()
    edit = GSLoRA(epochs=20, alpha=0.6, warmup=0.0).forget(made, task)
    kept = [sum(name in edit.deltas for name in block.linears) for block in made.model.blocks]
    assert set(kept) <= {0, 2}


def test_last_blocks_limits_the_edit(context, task) -> None:
    method = GSLoRA(epochs=2, last_blocks=1)
    made = context(2)
    assert method.first_block(made.model) == 2
    assert set(method.forget(made, task).deltas) <= set(made.model.blocks[-1].linears)


def test_progress_reaches_the_end(context, task) -> None:
    seen = []
    GSLoRA(epochs=3).forget(context(report=seen.append), task)
    assert [p.done for p in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].done == seen[-1].total == 6  # two steps an epoch


def test_another_seed_is_another_edit(context, task) -> None:
    edits = [GSLoRA(epochs=2).forget(context(seed=seed), task) for seed in (0, 1)]
    name = next(iter(edits[0].deltas))
    assert not torch.equal(edits[0].deltas[name].a, edits[1].deltas[name].a)
