"""Protocol of a task: the one seam between what a model does and all that is done with it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from expunge.data import E, Images, Splits, sample_digest
from expunge.errors import TaskError
from expunge.memory import Memory, Prototypes
from expunge.tasks.request import Available, Gathered, Progress
from expunge.tasks.rows import HeadRows
from expunge.tasks.scores import Scores
from expunge.tasks.shown import Shown
from expunge.tasks.trainable import Trainable
from expunge.tasks.views import Observed, Viewed
from expunge.tasks.words import ACCURACY, Words
from expunge.vision import StateCache, Wrapped

M = TypeVar("M", bound=Wrapped)


def silent(progress: Progress) -> None:
    """Reports no progress."""


class Task(ABC, Generic[M, E]):
    """Protocol of a kind of model: how it is read, trained, looked at and counted, one object a task.

    `M` is its kind of model, `E` what that learns from and is tested with. Rooms above know a task by this face alone,
    so a task is one folder, here or in a package of its own: an entry point of `expunge.tasks`.

    Attributes:
        name: What records and commands call it: "classification".
        noun: What messages call one of its models: "image classifier".
        thing: What rates are counted on: "image", or "object".
        example: What holds it: "image", or "scene".
        unit: What its rates are: "accuracy".
        alone: Whether an example shows one class alone. Where it may show several, examples of strangers may show
            classes of the model beside them.
        batch: Examples that run together in a run, for edits and for looking.
        most_each: So many images, or objects, of a class stand beside strangers at the most; None for all.
        exports: Whether its models can be written as ONNX files, too.
        memories: Whether statistics of its classes can be kept in place of examples.
        auto: The method that is taken where nobody names one.
        policy: Which of the policies that come with us decides where nobody names one.
        defaults: Method -> settings in which this task differs from the method's own defaults.
        presets: Method -> presets of this task, in place of the method's own of those names.
        like: Tasks whose methods and measures are for this one, too, as its models answer to the same calls.
        unfit: Method or measure of those -> why it is not.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    thing: ClassVar[str]
    example: ClassVar[str]
    unit: ClassVar[str]
    alone: ClassVar[bool] = True
    batch: ClassVar[int] = 48
    most_each: ClassVar[int | None] = None
    exports: ClassVar[bool] = False
    memories: ClassVar[bool] = False
    auto: ClassVar[str] = "closed-form++"
    policy: ClassVar[str] = "default"
    defaults: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, object]]]] = {}
    like: ClassVar[tuple[str, ...]] = ()
    unfit: ClassVar[Mapping[str, str]] = {}

    @property
    def words(self) -> Words:
        """What reports call its rates."""
        if self.alone:
            return ACCURACY
        return Words(self.unit, self.unit, self.unit, self.thing, f"{self.thing}s")

    # Models and data by name.

    @abstractmethod
    def recognises(self, folder: Path) -> bool:
        """Whether a directory, by what it says of itself, holds a model of this task.

        Raises:
            CorruptWeightsError: The directory was written by `save` and is damaged.
        """

    @abstractmethod
    def load(self, source: str | Path) -> M:
        """Loads a directory or a hub id, on the CPU.

        Raises:
            ModelError: The model cannot be found, is unsafe to read, damaged, or of no structure that is known.
        """

    def architecture(self, folder: Path) -> str | None:
        """The name, such as "zoo:glyphs", that builds the module whose weights a directory of ours holds."""
        return None

    def restore(self, model: M, folder: Path) -> M:
        """A model that `architecture` named, with the weights of a directory.

        Raises:
            TaskError: Directories of this task name no architecture.
        """
        raise TaskError(f"{folder} names no architecture that an {self.noun} could be built from")

    @abstractmethod
    def lays_out(self, folder: Path) -> bool:
        """Whether a folder of data is laid out for this task and no other."""

    @abstractmethod
    def read(self, folder: Path, *, seed: int = 0, skip_unreadable: bool = False) -> Splits[E]:
        """Reads a folder of data. Every picture is decoded once: a damaged one is reported before any work starts.

        Raises:
            DataError: The folder is laid out wrongly, or holds what cannot be read.
        """

    @abstractmethod
    def align(
        self, data: Splits[E], classes: Sequence[str], *, partial: bool, untrained: Collection[str] | None = None
    ) -> Splits[E]:
        """Labels data anew, so that label i is the model's class i.

        Args:
            data: Examples whose class names are the model's, in any order.
            classes: The model's class names, in the order of its head's rows.
            partial: Whether classes of the model may be missing from the data.
            untrained: Classes that may be tested without being trained; by default none, or all where `partial`.

        Raises:
            ClassMismatchError: The data have classes that the model does not know, or, unless `partial`, lack some.
            EmptyClassError: A class is tested and not trained, and is not among `untrained`.
        """

    def check_named(self, model: M, classes: Collection[int]) -> None:
        """Makes sure that the model has something of the classes that requests name.

        Raises:
            RequestError: It has not.
        """

    def check(self, model: M, data: Splits[E]) -> None:
        """Makes sure that the model can work with these data, beyond their classes.

        Raises:
            ModelError: It cannot.
        """

    @abstractmethod
    def gather(
        self, given: Splits[E], submitted: Images, targets: Collection[int], earlier: Collection[int], seed: int
    ) -> Gathered[E]:
        """Puts together what a plan of requests works with.

        Args:
            given: Data of what stays, and test data, in the model's class order.
            submitted: Images that came with the requests; none where requests of this task bring none.
            targets: Classes of the plan.
            earlier: Classes of earlier requests.
            seed: Draws validation images out of the submitted ones.
        """

    def digests(self, examples: E) -> Iterable[str]:
        """SHA-256 of each example, of its picture and of all that is said of it."""
        return map(sample_digest, examples.samples)

    # What methods may see.

    @abstractmethod
    def few_shot(self, examples: E, shots: int, seed: int) -> E:
        """`shots` training examples of every class that has any.

        Raises:
            TooFewImagesError: A class has some, but fewer.
        """

    @abstractmethod
    def replay(self, examples: E, fraction: float, seed: int) -> E:
        """A share of every class's examples; at least one of each that has any."""

    @abstractmethod
    def untouched_by(self, examples: E, classes: Collection[int]) -> E:
        """The examples in which nothing of `classes` is to be seen."""

    # The model in training.

    @abstractmethod
    def cache(self, model: M, entry: int = 0, *, batch_size: int = 48) -> StateCache[M]:
        """Hidden states that enter block `entry`, kept per picture."""

    @abstractmethod
    def prototypes(self, cache: Any, data: Available[E], named: Collection[int], seed: int) -> Prototypes:
        """The mean feature of every class under the model as it stands (arXiv 2501.09705, section 4).

        Args:
            cache: What `cache` gave.
            data: What methods may see.
            named: Classes that some request names: of them all that methods may see counts, of others the replay.
            seed: Seeds altered copies, where a class has few examples.
        """

    @abstractmethod
    def context(
        self,
        cache: Any,
        *,
        prototypes: Prototypes | None = None,
        seed: int = 0,
        report: Callable[[Progress], None] = silent,
        memory: Memory | None = None,
    ) -> Trainable[Any, Any]:
        """Context that a method works with; `cache` is what `cache` gave, and holds the model."""

    # The model looked at.

    def caches(self, models: Sequence[M]) -> tuple[StateCache[M], ...]:
        """A cache a model, for looking once at each; models may share what is the same in them."""
        return tuple(self.cache(model) for model in models)

    @abstractmethod
    def observe(self, cache: Any, examples: E) -> Observed:
        """Inputs and outputs of the classifier for every image, or object."""

    @abstractmethod
    def view(self, cache: Any, attack: E, test: E) -> Viewed:
        """Both sets of examples that evidence works with; its field `test` is what `look` gives, if not more."""

    @abstractmethod
    def look(self, cache: Any, test: E, progress: Callable[[int], None] = lambda done: None) -> Any:
        """Record of the test data that a run keeps after each request; `progress` is told the size of each batch."""

    @abstractmethod
    def struck(self, seen: Any, classes: Collection[int]) -> Any:
        """Result of `look` with some classes never said: the head mask.

        It takes no training and no data, and it erases nothing: it is the anchor beside which every edit is shown.
        """

    @abstractmethod
    def in_place(self, seen: Any, rows: HeadRows, classes: Collection[int]) -> Any:
        """Result of `look` with the rows of some classes as they are in another head.

        Raises:
            EvidenceError: What was kept is not as wide as that head reads it.
        """

    @abstractmethod
    def scores(self, seen: Any, test: E) -> Scores:
        """The rates of what `look` gave.

        Args:
            seen: The answers.
            test: What was looked at.
        """

    def show(self, test: E, seen: Sequence[Any], taken: Mapping[str, int]) -> Shown:
        """What the report shows of the test data; nothing, where a task has no picture of it.

        Args:
            test: What was looked at.
            seen: What `look` gave: of the original model, then after each request.
            taken: Name of a forgotten class -> the request that took it, from 1, in the order in which they were named.
        """
        return Shown()
