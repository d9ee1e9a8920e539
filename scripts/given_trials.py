"""Tries what the closed forms are given: images, a memory in place of them, forget photos that look otherwise.

`python scripts/given_trials.py glyphs memory memory+photos --methods closed-form++ --out FILE` writes a JSON line a
trial. What may be given is in `GIVEN`; images are those of the setting. Half of the validation images are the judge's,
and no test image is read; `--test` reads the test split once, where nothing is chosen by it. `--after 1 10 50`
follows the classes of the first request, and of the first ten: re-learning of them after these requests, beside the
classes that stay to the end.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from innocence_trials import RESULTS, bench_of
from PIL import Image, ImageFilter
from torch import Tensor

from expunge.adapters import EditStack
from expunge.bench._bench import FORGETTING_SEEDS, Bench
from expunge.bench._benches import make_bench
from expunge.bench._clock import now
from expunge.bench.suite import Suite, find_suite
from expunge.data import Images, Sample
from expunge.data.augment import augment
from expunge.evidence import Case, make_measure
from expunge.evidence.protocol import take
from expunge.memory import calibrate
from expunge.methods import Forgetting
from expunge.tasks import Available

EACH = ("forgetting", "rows-in-place")
LAST = ("linear-probe", "prototype-relearning", "class-membership", "retrieval")
RELEARNING = tuple(f"prototype_relearning_{shots}" for shots in (1, 5, 10))
SHOWN = ("acc_f", "acc_o", "acc_r", "acc_m", "h", "linear_probe", *RELEARNING, "cmia_auc", "rank1")
PHOTOS = 16
"""Forget images a class of those who bring photos."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A sample that was turned and blurred, as a careless photo is."""

    original: Sample

    @property
    def name(self) -> str:
        """The original's, and what was done."""
        return f"{self.original.name}, turned"

    def load(self) -> Image.Image | Tensor:
        """Turned by 15 degrees and blurred by a pixel; nothing is done to a prepared tensor."""
        image = self.original.load()
        if isinstance(image, Tensor):
            return image
        turned = image.rotate(15, Image.Resampling.BILINEAR)
        return turned.filter(ImageFilter.GaussianBlur(1))


def turned(images: Images) -> Images:
    """All of them turned and blurred."""
    return Images(tuple(map(Turned, images.samples)), images.labels, images.classes)


def first(images: Images, each: int) -> Images:
    """The first of each class."""
    seen: Counter[int] = Counter()
    rows = []
    for row, label in enumerate(images.labels):
        if seen[label] < each:
            rows.append(row)
        seen[label] += 1
    return images.select(rows)


@dataclass(frozen=True)
class Given:
    """What a method is given.

    Attributes:
        memory: Whether there is a memory, taken of the training images that the operator holds.
        retain: Whether there are images of what stays.
        forget: What becomes of the forget images; None for none of them.
    """

    memory: bool
    retain: bool
    forget: Callable[[Images], Images] | None


def few(change: Callable[[Images], Images] = lambda images: images) -> Callable[[Images], Images]:
    """`PHOTOS` images a class, changed."""
    return lambda images: change(first(images, PHOTOS))


AUGMENTED = few(partial(augment, copies=1, seed=0))
GIVEN: Mapping[str, Given] = {
    "images": Given(False, True, lambda images: images),
    "memory": Given(True, False, None),
    "memory+photos": Given(True, False, few()),
    "photos": Given(False, True, few()),
    "augmented": Given(False, True, AUGMENTED),
    "turned": Given(False, True, few(turned)),
    "memory+turned": Given(True, False, few(turned)),
}


@contextmanager
def forgetting(bench: Bench, name: str, given: Given) -> Iterator[Forgetting]:
    """The stand's requests, to be carried out with what is given."""
    bench.original  # noqa: B018 - seen before the first edit
    bench.rows  # noqa: B018 - likewise
    method, data, none = bench.method(name, {}), bench.data, bench.data.forget.select([])
    entry = method.first_block(bench.model)
    pool = bench.suite.limited(bench.splits.train, bench.suite.pool, bench.seed)
    memory = calibrate(bench.model, pool, entry) if given.memory else None
    seen = Available(given.forget(data.forget) if given.forget else none, data.replay if given.retain else none, none)
    stack = EditStack(bench.model)
    steps = Forgetting(stack, bench.plan, method, seen, seed=FORGETTING_SEEDS + bench.seed, memory=memory)
    try:
        yield steps
    finally:
        while stack.edits:
            stack.undo()


def trial(bench: Bench, name: str, given: Given, after: Sequence[int]) -> Mapping[str, object]:
    """What is found after each request and after the last, and of the first request's classes where it is asked for."""
    found: dict[str, list[float]] = {"seconds": []}
    followed: dict[int, dict[str, dict[str, float]]] = {}
    with forgetting(bench, name, given) as steps:
        last = len(bench.requests)
        for number in range(1, last + 1):
            started = now(bench.device)
            steps.carry_out(number - 1)
            found["seconds"].append(round(now(bench.device) - started, 1))
            attacked = number == last or number in after
            case = bench.case(number, bench.edited_view(steps.entry, attack=attacked))
            readings, _ = take(case, map(make_measure, EACH + (LAST if number == last else ())))
            for reading in readings:
                if reading.key.removeprefix("rows_in_place_") in SHOWN:
                    found.setdefault(reading.key, []).append(round(reading.value, 2))
            if number in after:
                followed[number] = {str(first): relearned(bench, case, first) for first in (1, 10) if first <= number}
    return found | ({"first_requests": followed} if after else {})


def relearned(bench: Bench, case: Case, first: int) -> dict[str, float]:
    """Re-learning of the classes of the first requests, beside those that stay to the end, whenever it is asked."""
    stays = bench.plan.retained(len(bench.requests) - 1, len(bench.classes))
    case = replace(case, forget=bench.plan.before(first), earlier=(), retain=stays)
    readings, _ = take(case, [make_measure("prototype-relearning")])
    return {reading.key: round(reading.value, 2) for reading in readings if reading.key in RELEARNING}


def tested(name: str, setting: str, seed: int) -> Bench:
    """A stand with its test images, on which no oracle is looked at."""
    suite = find_suite(name)
    if not isinstance(suite, Suite):
        raise SystemExit(f"expected a suite on classifiers, got {name}")
    return make_bench(replace(suite, checkpoints=()), setting, seed, RESULTS / "models", suite.load())


def main() -> None:
    """Runs the trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("given", nargs="+", choices=GIVEN)
    parser.add_argument("--methods", nargs="+", default=["closed-form", "closed-form++"])
    parser.add_argument("--setting", default="replay-10")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--test", action="store_true", help="read the test split")
    parser.add_argument("--after", type=int, nargs="*", default=[], help="follow the first requests' classes")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.test:
        bench = tested(asked.suite, asked.setting, asked.seed)
    else:
        bench = bench_of(asked.suite, asked.setting, asked.seed, RESULTS / "models")
    where = {"suite": asked.suite, "setting": asked.setting, "seed": asked.seed, "test": asked.test}
    for method in asked.methods:
        for what in asked.given:
            found = trial(bench, method, GIVEN[what], asked.after)
            line = json.dumps({**where, "method": method, "given": what, **found})
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            if asked.out:
                with asked.out.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
