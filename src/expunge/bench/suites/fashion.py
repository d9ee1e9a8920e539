"""Product images: five classes go, one at a time, four of them easily confused."""

from dataclasses import replace

from expunge.bench.suite import Suite
from expunge.bench.suites._small import MISSING, REPLAY, SHOTS, quick_suite, small_suite
from expunge.zoo import FASHION
from expunge.zoo.fashion import CLASSES, fashion

TENTH = 540
"""A tenth of the 5,400 training images of a class: all that the operator still holds, of forgotten classes too."""

REQUESTS = (("bag",), ("t-shirt",), ("pullover",), ("coat",), ("shirt",))


def suite(quick: bool) -> Suite:
    """The suite, or a tiny version on the sample of Fashion-MNIST that the package carries."""
    small = FASHION
    if quick:
        small = replace(FASHION, recipe=replace(FASHION.recipe, epochs=1))
    made = small_suite(
        small,
        name="fashion",
        summary="A ViT trained on Fashion-MNIST; 5 requests of 1 class, from a bag to shirts",
        requests=REQUESTS,
        classes=CLASSES,
        load=lambda: fashion(source="sample" if quick else "full"),
        settings=(replace(REPLAY, replay=1.0), SHOTS, replace(MISSING, replay=1.0)),
        pool=TENTH,
        attack=100,
        test=200,
        checkpoints=(5,),
        budget={"max_steps": 100, "batch_size": 16},
    )
    return quick_suite(made) if quick else made
