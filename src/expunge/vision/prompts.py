"""Class names and the sentences they are put into, from which a text model makes the rows of a head."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from expunge.errors import DuplicateClassError, PromptError

SLOT = "{}"
"""Place of the class name in a template."""
TEMPLATES = ("a photo of a {}.",)
"""The sentence of Radford et al., CLIP, arXiv 2103.00020, section 3.1.4."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts that made the rows of a head.

    Attributes:
        model: Name of the text model.
        templates: Sentences with `{}` where the class name goes.

    Raises:
        PromptError: There is no template, or one without `{}`.
    """

    model: str
    templates: tuple[str, ...] = TEMPLATES

    def __post_init__(self) -> None:
        wrong = [template for template in self.templates if SLOT not in template]
        if wrong or not self.templates:
            came = repr(wrong[0]) if wrong else "none"
            raise PromptError(
                f'Expected templates with {SLOT} where the class name goes, such as "{TEMPLATES[0]}"; got {came}.'
            )

    def sentences(self, words: str) -> list[str]:
        """One sentence a template."""
        return [template.replace(SLOT, words) for template in self.templates]


def read_classes(path: Path) -> dict[str, str]:
    """The classes in a text file: one name a line, or the name, a tab and the words that a text model shall read.

    The second form is for names that are no words, such as n02123045. Empty lines count for nothing.

    Returns:
        Class name -> words, in the order of the lines.

    Raises:
        PromptError: The file cannot be read, names no class, or a line lacks the name or the words.
        DuplicateClassError: A class is named twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise PromptError(f"The class names in {path} cannot be read: {error}. Expected one name a line.") from error
    parted = [line.partition("\t") for line in lines if line.strip()]
    return _checked([(name.strip(), words.strip() if tab else name.strip()) for name, tab, words in parted], str(path))


def words_of(classes: Iterable[str] | Mapping[str, str]) -> dict[str, str]:
    """Class name -> the words for it, the name itself where nothing else is given.

    Raises:
        PromptError: There is no class, or a name or its words are empty, or one text was given for a list.
        DuplicateClassError: A class is named twice.
    """
    if isinstance(classes, str):
        raise PromptError(f"Expected a list of class names; got one text, {classes!r}.")
    given = classes.items() if isinstance(classes, Mapping) else [(name, name) for name in classes]
    return _checked(list(given), "the classes")


def _checked(pairs: list[tuple[str, str]], where: str) -> dict[str, str]:
    if not pairs:
        raise PromptError(f"Expected at least one class name in {where}; there is none.")
    for name, words in pairs:
        if not name.strip() or not words.strip():
            raise PromptError(f"Expected a name and words for each class in {where}; got {name!r} and {words!r}.")
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise DuplicateClassError(f"Expected each class once in {where}; {twice[0]!r} is there twice. Leave one out.")
    return dict(pairs)
