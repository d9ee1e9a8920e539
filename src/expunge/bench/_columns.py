"""Columns of the main table: which rows of the evidence they show, and how figures are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from expunge.errors import EvidenceError
from expunge.evidence import Task, make_measure, measure_names
from expunge.tasks import find_task
from expunge.values import CLASSIFICATION
from expunge.vision.detection import DetectionModel

MAIN: Mapping[str, tuple[str, str]] = {
    "h": ("H", "harmonic mean of Acc_r and the drop of Acc_f"),
    "acc_f": ("Acc_f", "accuracy on the classes of the last request"),
    "acc_r": ("Acc_r", "accuracy on the classes that stay"),
    "acc_o": ("Acc_o", "accuracy on the classes of earlier requests"),
    "acc_m": ("Acc_m", "accuracy on classes that stay but had no image"),
    "rows_in_place_acc_f": (
        "rows in place",
        "Acc_f with the original head's rows put back: what the weights still name",
    ),
    "linear_probe": ("linear probe", "accuracy on forgotten classes after refitting the head on frozen features"),
    "prototype_relearning_1": ("1-image re-learning", "accuracy on a forgotten class, its head rebuilt from one image"),
    "prototype_relearning_5": ("5-image re-learning", "the same from five images"),
    "prototype_relearning_10": ("10-image re-learning", "the same from ten images"),
    "nearest_centre": ("nearest centre", "images of forgotten classes nearest to their own class's mean feature"),
    "rank1": ("rank-1", "queries of forgotten identities whose nearest gallery embedding is of the same identity"),
    "cmia_auc": ("CMIA", "AUC of class-level membership inference from neighbouring classes' probabilities"),
    "u_lira_auc": (
        "U-LiRA",
        "AUC per training image, with shadow models, of learnt and forgotten against never learnt",
    ),
    "u_lira_innocent_auc": ("U-LiRA, innocent", "the highest such AUC of shadow models that never saw the classes"),
    "int8_linear_probe": ("INT8 probe", "the linear probe after rounding the weights to eight bits"),
    "anamnesis_index": (
        "AIN",
        "steps to re-learn against those of oracle-scratch; 1 is as new as to the oracle. Steps are counted up to 100: "
        "≤ where oracle-scratch needed more, ≥ where the method did, ~ where seeds differ in that; a dash where both "
        "did, of which nothing can be said. A head's row that is still there helps re-learning, where a struck one "
        "starts again as the mean of the others: between heads that are struck and those that are not, AIN tells less",
    ),
    "anamnesis_index_rows_alike": (
        "AIN, rows anew",
        "the same with the rows of all forgotten classes started again in every model, oracle-scratch among them",
    ),
}
DETECTION: Mapping[str, tuple[str, str]] = {
    "h": ("H", "harmonic mean of AP50_r and the drop of AP50_f"),
    "acc_f": ("AP50_f", "COCO's average precision at an overlap of .5, mean over the classes of the last request"),
    "acc_r": ("AP50_r", "the same over the classes that stay"),
    "acc_o": ("AP50_o", "the same over the classes of earlier requests"),
    "acc_m": ("AP50_m", "the same over classes that stay but were in no scene"),
    "ap_f": ("AP_f", "COCO's average precision, mean over overlaps of .50 to .95, for the classes of the last request"),
    "ap_r": ("AP_r", "the same for the classes that stay"),
    "ap_o": ("AP_o", "the same for the classes of earlier requests"),
    "relabelled": ("relabelled", "objects of forgotten classes that are found under another class's name"),
    "silent": ("silent", "objects of forgotten classes where nothing is found"),
    "linear_probe": (
        "linear probe",
        "accuracy on forgotten objects after refitting the head on their queries' features",
    ),
    "prototype_relearning_1": (
        "1-object re-learning",
        "accuracy on a forgotten class, its row rebuilt from one object",
    ),
    "prototype_relearning_5": ("5-object re-learning", "the same from five objects"),
    "prototype_relearning_10": ("10-object re-learning", "the same from ten objects"),
}
OWN: Mapping[Task, Mapping[str, tuple[str, str]]] = {DetectionModel.task: DETECTION}
"""What stands in place of `MAIN` in tables of some tasks."""

COSTS: Mapping[str, tuple[str, str]] = {
    "seconds": (
        "seconds",
        "time of one request; measures are not counted, nor what a method prepares once, before the first request",
    ),
    "rte": ("RTE", "seconds of oracle-scratch divided by those of the method, same machine, same requests"),
    "peak_mb": (
        "peak MB",
        "greatest memory held during forgetting, above what was held before; a dash for oracles, and for cells that do "
        "not name their base model: what they needed depended on what ran before them",
    ),
    "edited_mb": ("edited MB", "bytes of all edits of the sequence"),
}
ALSO: Mapping[str, str] = {
    "acc_f_worst": "worst Acc_f",
    "acc_o_worst": "worst Acc_o",
    "rows_in_place_acc_o": "Acc_o, rows in place",
    "rows_in_place_h": "H, rows in place",
    "int8_rows_in_place_acc_f": "INT8, rows in place",
    "int8_acc_f": "INT8 Acc_f",
    "int8_acc_o": "INT8 Acc_o",
    "int8_acc_r": "INT8 Acc_r",
    "linear_probe_retained": "probe of what stays",
    "knn_5": "5-NN",
    "tar_at_far_1": "TAR at FAR 1 %",
    "relearn_time": "re-learn steps",
    "idi": "IDI",
    "cka_oracle_forget": "CKA to oracle",
    "cka_original_retain": "CKA of what stays",
    "js_retain": "JS of what stays",
    "zrf": "ZRF",
    "mia_confidence_auc": "MIA, confidence",
    "mia_modified_entropy_auc": "MIA, mod. entropy",
}
"""Rows that stand in a second table; what is in neither is in the CSV alone."""

EDITED = ("edited_parameters", "edited parameters, M", "millions of numbers that all edits of the sequence store")
DERIVED = ("erosion", "relapse", EDITED[0])
MINUS = "−"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: Key of the row it shows.
        heading: What stands above it.
        meaning: What it is, in a few words.
        cost: Whether it tells what forgetting costs, not what it does.
    """

    key: str
    heading: str
    meaning: str
    cost: bool = False


def columns(keys: Sequence[str], task: Task = CLASSIFICATION) -> tuple[Column, ...]:
    """The columns of the main table: ours in a fixed order, those of other packages' measures, then the costs.

    Args:
        keys: What any method has.
        task: What the models do.
    """
    there, labels, main = set(keys), _labels(task), _main(task)
    known = {*main, *COSTS, *DERIVED, *(key for key, label in labels.items() if label.ours)}
    foreign = (labels.get(key, _Label(key, "", False)) for key in sorted(there - known))
    return (
        *(Column(key, *texts) for key, texts in main.items() if key in there),
        *(Column(key, one.text, one.meaning) for key, one in zip(sorted(there - known), foreign, strict=True)),
        *(Column(key, *texts, cost=True) for key, texts in COSTS.items() if key in there),
    )


def also_columns(keys: Sequence[str], task: Task = CLASSIFICATION) -> tuple[Column, ...]:
    """The columns of the second table, in a fixed order; see `columns`."""
    labels, there, main = _labels(task), set(keys), _main(task)
    shown = [key for key in ALSO if key in there & labels.keys() - main.keys()]
    found = [Column(key, ALSO[key], labels[key].meaning) for key in shown]
    return (*found, Column(*EDITED, cost=True)) if EDITED[0] in there else tuple(found)


def heading_of(task: Task = CLASSIFICATION) -> Mapping[str, str]:
    """Key of a row -> what stands above it, in the tables of that task."""
    main = {key: heading for key, (heading, _) in _main(task).items()}
    return {**{key: label.text for key, label in _labels(task).items()}, **ALSO, **main}


def _main(task: Task) -> Mapping[str, tuple[str, str]]:
    """Key of a row of the main table -> heading and meaning; where rates are no accuracies, in the measures' words."""
    if task in OWN or find_task(task).alone:
        return OWN.get(task, MAIN)
    labels = _labels(task)
    return {key: (labels[key].text, labels[key].meaning) for key in MAIN if key in labels}


@dataclass(frozen=True, slots=True)
class _Label:
    """A row's label and its measure's summary; whether the measure comes with this package."""

    text: str
    meaning: str
    ours: bool


@cache
def _labels(task: Task) -> Mapping[str, _Label]:
    found: dict[str, _Label] = {}
    for name in measure_names(task=task):
        try:
            measure = make_measure(name, task=task)
        except (EvidenceError, ImportError, AttributeError):
            continue  # a broken package must not keep finished results from being shown
        ours = type(measure).__module__.partition(".")[0] == "expunge"
        found |= {key: _Label(label, measure.summary, ours) for key, label in measure.labels.items()}
    return found


def figure(value: float, unit: str, *, like: float | None = None) -> str:
    """A number as tables write it: rates with one decimal, everything else with two to three digits.

    Args:
        value: The number.
        unit: Its unit.
        like: Write as many decimals as this number would get, e.g. the mean that a half-width belongs to.
    """
    text = f"{value:.{_decimals(abs(value if like is None else like), unit)}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)


def signed(value: float, unit: str) -> str:
    """A difference, with its sign; plain zero where it rounds to nothing."""
    text = figure(value, unit)
    return text if text.startswith(MINUS) or float(text) == 0 else f"+{text}"


def _decimals(size: float, unit: str) -> int:
    if unit == "%":
        return 1
    steps = ((100, 0), (10, 1), (0.1, 2), (0.01, 3))
    return next((decimals for least, decimals in steps if size >= least), 4 if size else 2)
