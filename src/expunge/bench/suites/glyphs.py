"""A hundred characters in real typefaces: the papers' protocol of 4 × 20 classes, a long one of 50 × 1, and U-LiRA.

And the first beside strangers, characters that no model has seen, with the measures that take class by class.
"""

from dataclasses import replace
from hashlib import sha256

from expunge.bench.suite import Suite
from expunge.bench.suites._innocence import MEASURES
from expunge.bench.suites._small import MISSING, REPLAY, SHOTS, quick_suite, small_suite
from expunge.evidence.measures import LEAST
from expunge.zoo import GLYPHS
from expunge.zoo.glyphs import CLASSES, glyph_strangers, glyphs

ORDER = tuple(sorted(CLASSES, key=lambda name: sha256(name.encode()).digest()))
"""The classes in an order that nobody chose."""

SHADOWS = 8
"""Shadow models a side of `glyphs-shadows`. Half a minute trains one, which makes 16 of them affordable."""


def suite(quick: bool) -> Suite:
    """Four requests of twenty classes."""
    requests = tuple(ORDER[start : start + 20] for start in range(0, 80, 20))
    return _suite(
        "glyphs", "4 requests of 20 classes", requests, checkpoints=(4,), budget=dict(max_steps=200), quick=quick
    )


def long_suite(quick: bool) -> Suite:
    """Fifty requests of one class."""
    requests = tuple((name,) for name in ORDER[:50])
    return _suite(
        "glyphs-50x1", "50 requests of 1 class", requests, checkpoints=(50,), budget=dict(max_steps=25), quick=quick
    )


def shadowed_suite(quick: bool) -> Suite:
    """The first request of `glyphs`, on the model and on shadow models: the only suite that can afford them."""
    made = _suite(
        "glyphs-shadows",
        "1 request of 20 classes, with shadow models",
        (ORDER[:20],),
        checkpoints=(1,),
        budget=dict(max_steps=200),
        quick=quick,
    )
    return replace(made, shadows=LEAST if quick else SHADOWS)


def strangers_suite(quick: bool) -> Suite:
    """The requests and models of `glyphs`, with strangers."""
    inside = suite(quick)
    return replace(
        inside,
        name="glyphs-strangers",
        summary=f"{inside.summary}, beside characters that no model has seen",
        settings=inside.settings[:1],
        strangers=glyph_strangers,
        taken=MEASURES,
    )


def _suite(
    name: str,
    what: str,
    requests: tuple[tuple[str, ...], ...],
    *,
    checkpoints: tuple[int, ...],
    budget: dict[str, object],
    quick: bool,
) -> Suite:
    small = replace(GLYPHS, recipe=replace(GLYPHS.recipe, epochs=1)) if quick else GLYPHS
    made = small_suite(
        small,
        name=name,
        summary=f"A ViT that reads 100 characters in typefaces it has not seen; {what}",
        requests=requests,
        classes=CLASSES,
        load=glyphs,
        settings=(REPLAY, SHOTS, MISSING) if name == "glyphs" else (REPLAY,),
        pool=0,
        attack=15,
        test=20,
        checkpoints=checkpoints,
        budget={**budget, "batch_size": 16},
    )
    return quick_suite(made) if quick else made
