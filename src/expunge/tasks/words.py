"""What reports call things: a classifier's accuracy on images, a detector's AP50 on objects."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one task.

    Attributes:
        rate: What a rate is called within a sentence.
        title: The same at the beginning of one.
        symbol: What carries the indices f, r, o and m.
        one: What is counted.
        many: Several of it.
        interval: Where the interval comes from.
        mean: How classes are put together; empty where every image counts alike.
        finds: What a model does with what it knows, now and in the past.
        counted: How rates are counted, as a sentence; may be empty.
        unmeasured: What a run says nothing of, beside what the features know.
    """

    rate: str
    title: str
    symbol: str
    one: str
    many: str
    interval: str = "interval"
    mean: str = ", the mean over the classes"
    finds: tuple[str, str] = ("recognises", "recognised")
    counted: str = ""
    unmeasured: str = (
        "whether a forgotten class can be taught again from a few images,\n"
        "found in a gallery of embeddings, or told from the model\u2019s answers, nor how far this model is from one "
        "that never saw these classes."
    )


ACCURACY = Words(
    "accuracy",
    "Accuracy",
    "Acc",
    "image",
    "images",
    interval="Wilson interval",
    mean="",
    counted="Accuracy is top-1 and free of any margin; a tie counts as wrong.",
)
