"""Test images as the report shows them, with the first class of each at each time of a run."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from expunge.data import Images, thumbnail
from expunge.tasks.shown import Example, Prediction
from expunge.tasks.views import Observed

PER_REQUEST, RETAINED = 2, 4
"""Images shown: of every request, and of the classes that stay."""


def examples(test: Images, seen: Sequence[Observed], taken: Mapping[str, int]) -> tuple[Example, ...]:
    """A few images, with what was said of them; see `expunge.tasks.Task.show`."""
    return tuple(_example(test, i, [one.logits for one in seen], taken) for i in _chosen(test, taken))


def _chosen(test: Images, taken: Mapping[str, int]) -> list[int]:
    """The first test image of a few classes: chosen by position, never by how well the model does on it."""
    first = {}
    for position, label in enumerate(test.labels):
        first.setdefault(test.classes[label], position)
    requests: dict[int, list[str]] = {}
    for name, number in taken.items():
        requests.setdefault(number, []).append(name)
    gone = [name for names in requests.values() for name in names[:PER_REQUEST]]
    stay = [name for name in test.classes if name not in taken and name in first][:RETAINED]
    return [first[name] for name in (*gone, *stay)]


def _example(test: Images, index: int, logits: Sequence[Tensor], taken: Mapping[str, int]) -> Example:
    truth = test.classes[test.labels[index]]
    predictions = []
    for one in logits:
        probabilities = one[index].double().softmax(dim=0)
        top = int(probabilities.argmax())
        predictions.append(Prediction(test.classes[top], float(probabilities[top])))
    return Example(
        png=thumbnail(test.samples[index].load()),
        truth=truth,
        request=taken.get(truth),
        predictions=tuple(predictions),
    )
