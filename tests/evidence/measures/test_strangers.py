"""Forgotten classes beside strangers: who is told, who is not, and when nothing can be said."""

from dataclasses import replace

import pytest
import torch

from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.evidence import Case, make_measure, measure_names
from expunge.evidence.measures.strangers import ALIKE, HOLE, KNOWN, Strangers
from expunge.evidence.strangers._conformal import Separation
from expunge.evidence.strangers.alike import Alike, alike, class_values
from expunge.evidence.strangers.beside import LEVEL, Beside, beside, turned
from expunge.evidence.strangers.finding import find, summarise, without_strangers
from expunge.evidence.strangers.lineup import ByClass, Lineup, images_each
from expunge.evidence.strangers.sample import Strangers as Sample
from expunge.evidence.strangers.sample import left_out, refuse_shared
from expunge.evidence.strangers.sample import line_up as line_up_images
from expunge.tasks.classification.views import view
from expunge.tasks.views import View
from expunge.vision import ActivationCache, VisionModel
from tests.evidence.measures import marks
from tests.evidence.measures.conftest import EARLIER, FORGET, RETAIN
from tests.evidence.measures.lineups import STRANGERS, line_up, pictures

ROWS = [one for name in measure_names() if isinstance(one := make_measure(name), ByClass) and not one.slow]
LABELS = {key: label for name in measure_names() for key, label in make_measure(name).labels.items()}


@pytest.fixture(scope="module")
def known(original_model: VisionModel) -> Beside:
    found = beside(line_up(original_model), ROWS)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def innocent(oracle_model: VisionModel) -> Beside:
    found = beside(line_up(oracle_model), ROWS)
    assert found is not None
    return found


def said(case: Case, placed: Beside | None) -> dict[str, float]:
    return {reading.key: reading.value for reading in Strangers().measure(replace(case, beside=placed))}


def test_the_untouched_model_is_told_and_a_model_that_never_saw_the_classes_is_not(
    original_case: Case, oracle_case: Case, known: Beside, innocent: Beside
) -> None:
    """Two classes among ten candidates: 1 / 45 is the least p there is."""
    assert said(original_case, known)[KNOWN] == pytest.approx(1 / 45)
    assert said(original_case, known)[HOLE] > LEVEL
    assert min(said(oracle_case, innocent)[key] for key in (KNOWN, HOLE)) > LEVEL
    assert find(known, known, marks.CLASSES, LABELS)[0] == "known"
    assert find(innocent, known, marks.CLASSES, LABELS) == ("innocent", "not to be told from somebody it never saw")


def test_a_mask_on_the_head_hides_nothing(original_case: Case, masked_case: Case, known: Beside) -> None:
    masked = beside(line_up(masked_case.model), ROWS)
    assert masked is not None
    finding, words = find(masked, known, marks.CLASSES, LABELS)
    assert finding == "known"
    assert words.startswith("still known: ")


def test_a_hole_is_told_by_the_other_side(known: Beside) -> None:
    """The strangers' places taken by the forgotten, and one of them lower still: less known than any of them."""
    signs = turned(torch.ones(len(known.keys), 1), known.sides)
    values = torch.randn(len(known.keys), 10, generator=torch.Generator().manual_seed(0)) * signs
    values[:, :2] -= 5.0 * signs
    low = replace(known, values=values, told=Separation(1.0, 0.02, (1.0,) * len(known.keys), (0.02,) * len(known.keys)))
    finding, words = find(low, known, marks.CLASSES, LABELS)
    assert finding == "hole"
    assert words.startswith("a hole that shows: ")
    assert ("anvil" in words) != ("ember" in words)


def test_areas_stand_beside_the_p_values(original_case: Case, known: Beside) -> None:
    found = said(original_case, known)
    assert found["beside_linear_probe"] == 100 * known.areas[known.keys.index("linear_probe")]
    assert found["beside_linear_probe"] > 90
    assert set(found) <= set(Strangers().labels)


def test_without_strangers_the_measure_says_what_it_needs(original_case: Case) -> None:
    assert "--strangers" in (Strangers().missing(original_case) or "")


def test_too_few_strangers(original_case: Case, original_model: VisionModel, known: Beside) -> None:
    """Two forgotten classes want five strangers: with four 1 / 15 is the least p."""
    whole = line_up(original_model)
    few = beside(replace(whole, strangers=STRANGERS[:4]), ROWS)
    assert few is not None
    assert few.told is None
    assert KNOWN not in said(original_case, few)
    assert find(few, known, marks.CLASSES, LABELS) == (
        "too_few",
        "too few strangers to say (4, 5 needed for 2, 20 for one class)",
    )
    enough = beside(replace(whole, strangers=STRANGERS[:5]), ROWS)
    assert enough is not None
    assert enough.told is not None


def test_strangers_beside_whom_the_untouched_model_does_not_stand_out_say_nothing(innocent: Beside) -> None:
    assert find(innocent, innocent, marks.CLASSES, LABELS)[0] == "blind"
    assert find(innocent, None, marks.CLASSES, LABELS)[0] == "blind"


def test_strangers_of_another_kind_say_nothing(original_case: Case, known: Beside) -> None:
    unlike = replace(known, alike=Alike(p=0.001, furthest=0.5))
    assert find(unlike, known, marks.CLASSES, LABELS)[0] == "unlike"
    found = said(original_case, unlike)
    assert found[ALIKE] == 0.001
    assert KNOWN not in found
    assert KNOWN in said(original_case, replace(known, alike=Alike(p=0.001, furthest=0.1)))  # beyond chance, and small


def test_marks_that_nobody_learnt_are_of_one_kind_and_bright_pictures_are_not(original_model: VisionModel) -> None:
    """Thumbnails: twelve classes of marks that stay against eight more, then against eight with twice the contrast."""
    labels = torch.arange(20).repeat_interleave(10)
    pixels = marks.draw(labels, torch.Generator().manual_seed(5))

    def lineup(images: torch.Tensor) -> Lineup:
        samples = tuple(marks.Marked(str(i), one) for i, one in enumerate(images))
        attack = Images(samples, tuple(labels.tolist()), tuple(map(str, range(20))))
        seen = view(original_model, attack, attack)
        return Lineup(original_model, seen, attack, attack, tuple(range(2, 12)), (0, 1), tuple(range(12, 20)))

    same = alike(lineup(pixels))
    assert same is not None
    assert same.holds
    assert same.p > 0.05
    bright = pixels.clone()
    bright[labels >= 12] *= 3.0
    other = alike(lineup(bright))
    assert other is not None
    assert not other.holds


def test_values_of_a_class_among_others_by_hand() -> None:
    """Two points each at 0 and 2, at 10 and 10, at 5 and 29 on a line."""
    features = torch.tensor([[0.0], [2.0], [10.0], [10.0], [5.0], [29.0]])
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    found, spread, apart, middle = class_values(features, labels, (0, 1, 2)).tolist()
    assert found == [1.0, 1.0, 0.0]
    assert spread == [1.0, 0.0, 12.0]
    assert apart == [9.0, 7.0, 7.0]
    assert middle == pytest.approx([25 / 3, 2 / 3, 23 / 3])


def stranger_images(per_class: int, seed: int) -> Images:
    whole = pictures(per_class, seed)
    mine = whole.only(STRANGERS)
    names = tuple(f"other {c}" for c in STRANGERS)
    return Images(mine.samples, tuple(label - STRANGERS[0] for label in mine.labels), names)


def test_candidates_get_as_many_images_as_each_other(
    original_model: VisionModel, attack_images: Images, test_images: Images
) -> None:
    """The forgotten have 20 and 20 images, the strangers 12 and 30; one stranger has only three and is left out."""
    attack, test = stranger_images(12, 31), stranger_images(30, 32)
    poor = [i for i, label in enumerate(attack.labels) if label == 2][3:]
    attack = attack.select(i for i in range(len(attack)) if i not in poor)
    sample = Sample(attack, test)
    seen = view(original_model, attack_images, test_images)
    made = line_up_images(
        original_model,
        seen,
        (attack_images, test_images),
        sample,
        sample.seen_by(ActivationCache(original_model)),
        retain=RETAIN,
        forgotten=(*FORGET, *EARLIER),
    )
    assert made is not None
    assert len(made.strangers) == 7
    for part, images, count in ((made.view.attack, made.attack, 12), (made.view.test, made.test, 20)):
        assert {int((part.labels == c).sum()) for c in made.candidates} == {count}
        assert {int((part.labels == c).sum()) for c in RETAIN} == {20}
        assert images is not None
        assert torch.equal(part.labels, torch.tensor(images.labels))
        again = view(original_model, images, images).attack
        assert torch.allclose(part.embedding, again.embedding, atol=1e-5)
    assert beside(made, ROWS) is not None


def test_a_class_without_images_is_left_out(
    original_model: VisionModel, attack_images: Images, test_images: Images
) -> None:
    sample = Sample(stranger_images(5, 31), stranger_images(5, 32))
    theirs = sample.seen_by(ActivationCache(original_model))
    for forgotten, there in (((0, 4), (4,)), ((0,), None)):
        attack = attack_images.without([0])
        seen = view(original_model, attack, test_images)
        both = (attack, test_images)
        made = line_up_images(original_model, seen, both, sample, theirs, retain=RETAIN, forgotten=forgotten)
        assert (made.forgotten if made else None) == there


def test_strangers_that_are_no_strangers_are_refused(
    original_model: VisionModel, attack_images: Images, test_images: Images
) -> None:
    with pytest.raises(EvidenceError, match="'anvil' is one of its classes"):
        Sample(attack_images, test_images).refuse_known(marks.CLASSES)
    with pytest.raises(EvidenceError, match="no class that has both"):
        Sample(attack_images.only([0]), test_images.only([1]))
    seen = view(original_model, attack_images, test_images)
    other = view(original_model, stranger_images(3, 31), stranger_images(3, 32))
    refuse_shared(seen, other)
    copied = View(other.attack, test_images_seen := seen.test.select(torch.tensor([4])))
    assert len(test_images_seen) == 1
    with pytest.raises(EvidenceError, match="just like one of the data"):
        refuse_shared(seen, copied)


def test_the_part_of_the_scorecard_holds_every_value(known: Beside) -> None:
    part = summarise(known, known, source="folder", names=marks.CLASSES, labels=LABELS)
    assert (part.classes, part.images, part.finding, part.known_p) == (8, (20, 20), "known", round(1 / 45, 4))
    row = next(row for row in part.rows if row.key == "prototype_relearning_5")
    place = known.keys.index("prototype_relearning_5")
    assert dict(row.forgotten) == pytest.approx(
        {"anvil": float(known.values[place, 0]), "ember": float(known.values[place, 1])}, abs=1e-4
    )
    assert row.strangers == pytest.approx(sorted(known.values[place, 2:].tolist()), abs=1e-4)
    assert type(part).model_validate_json(part.model_dump_json()) == part


def test_the_three_sample_test_stands_beside(original_case: Case, original_model: VisionModel) -> None:
    """Of two forgotten classes the untouched model's are not nearer to strangers than to what it knows."""
    whole = line_up(original_model)
    found = beside(whole, ROWS, original=whole)
    assert found is not None
    assert set(found.relative) == {"answers", "features"}
    readings = said(original_case, found)
    assert readings["relative_features"] < 0
    part = summarise(found, found, source="folder", names=marks.CLASSES, labels=LABELS)
    assert [row.on for row in part.relative] == ["answers", "features"]
    assert all(row.nearer != "innocent" for row in part.relative)


def test_classes_that_stay_stand_in_for_strangers_and_never_acquit(original_model: VisionModel, known: Beside) -> None:
    """Four classes that stay become two rivals and two in the strangers' place; three are too few."""
    images = (marks.make_images(20, seed=41), marks.make_images(20, seed=42))
    seen = view(original_model, *images)
    made = left_out(original_model, seen, images, retain=(1, 2, 3, 5), forgotten=(0,), seed=0)
    assert made is not None
    assert len(made.retain) == 2
    assert len(made.strangers) == 2
    assert not set(made.retain) & {s - len(marks.CLASSES) for s in made.strangers}
    assert left_out(original_model, seen, images, retain=(1, 2, 3), forgotten=(0,)) is None
    assert without_strangers(known, marks.CLASSES, LABELS).startswith("as well known as classes that stay")
    low = replace(known, told=Separation(1.0, 0.02, (1.0,) * len(known.keys), (0.02,) * len(known.keys)))
    assert without_strangers(low, marks.CLASSES, LABELS).startswith("less known than classes that stay (")


@pytest.mark.parametrize(
    ("forgotten", "strangers", "each"),
    [
        ([20, 15], [30] * 8, 15),  # as many as the poorest forgotten class
        ([20, 20], [3, *[12] * 7], 12),  # one poor stranger of eight is given up
        ([20, 20], [3, 4, *[12] * 6], 4),  # and no second one
        ([20], [1, 9], 1),  # of two none
        ([20], [1, 2, 9], 2),
    ],
)
def test_images_each_by_hand(forgotten: list[int], strangers: list[int], each: int) -> None:
    assert images_each(forgotten, strangers) == each
