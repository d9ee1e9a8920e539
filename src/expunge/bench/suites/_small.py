"""Parts shared by the suites on small models."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

from expunge.bench.suite import Setting, Suite
from expunge.data import Images, Splits
from expunge.vision import VisionModel
from expunge.zoo import Recipe, Small, train, wrap

FINE_TUNING = 0.25
"""An oracle that is fine-tuned gets this part of the epochs of one that is trained from scratch."""

REPLAY = Setting("replay-10", "a tenth of the training images, of every class that stays", replay=0.1)
SHOTS = Setting("4-shot", "four images of every class", shots=4)
MISSING = Setting(
    "missing-class", "as replay-10, but an eighth of the classes that stay has no image", replay=0.1, missing=1 / 8
)


def small_suite(
    small: Small,
    *,
    name: str,
    summary: str,
    requests: tuple[tuple[str, ...], ...],
    classes: tuple[str, ...],
    load: Callable[[], Splits],
    settings: tuple[Setting, ...],
    pool: int,
    attack: int,
    test: int,
    checkpoints: tuple[int, ...],
    budget: Mapping[str, object],
) -> Suite:
    """A suite on one of the small models; oracles are trained by the model's own recipe."""

    def training(images: Images, seed: int, start: VisionModel | None) -> VisionModel:
        return train_small(small.recipe, images, seed, start)

    return Suite(
        name=name,
        summary=summary,
        requests=requests,
        settings=settings,
        load=load,
        base=lambda: small.model(classes),
        train=training,
        recipe={**asdict(small.recipe), "fine_tuning": FINE_TUNING},
        pool=pool,
        attack=attack,
        test=test,
        checkpoints=checkpoints,
        budget=budget,
    )


def train_small(recipe: Recipe, images: Images, seed: int, start: VisionModel | None) -> VisionModel:
    """Trains from scratch, or goes on from `start` for a part of the epochs at a quarter of the learning rate."""
    if start is None:
        return wrap(train(recipe, images, seed=seed), images.classes, "trained")
    shorter = replace(recipe, epochs=max(1, round(FINE_TUNING * recipe.epochs)), lr=FINE_TUNING * recipe.lr)
    return wrap(train(shorter, images, seed=seed, start=start.module), images.classes, "fine-tuned")


def quick_suite(suite: Suite, *, requests: int = 2) -> Suite:
    """The same suite, small enough to run in seconds: it shows that everything works and measures nothing."""
    first = suite.requests[:requests]
    return replace(
        suite,
        requests=first,
        pool=4,
        attack=12,
        test=6,
        checkpoints=(len(first),),
        budget={**suite.budget, "max_steps": 2, "batch_size": 4},
    )
