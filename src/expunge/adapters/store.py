"""Edits on disk, in the layout of Hugging Face PEFT.

`adapter_model.safetensors` and `adapter_config.json` hold the low-rank part and load with `peft.PeftModel`;
`dense.safetensors` holds dense changes, `edit.json` what else PEFT has no word for. Numbers are stored and read in the
precision that the edit has them in. Only safetensors are ever read, and equal edits give equal bytes.

PEFT runs a convolution's A without its dilation, so there the edit has to be merged (`merge_and_unload`) to mean the
same; and it knows no addition to a convolution in groups that stays within them, so it refuses those.
"""

import json
import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from expunge.adapters.edit import Edit, LowRank
from expunge.errors import EditError

SCHEMA = "expunge/edit/v1"
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
EXTRA = "edit.json"
DENSE = "dense.safetensors"
_UNREADABLE = (
    *(OSError, SafetensorError),
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),  # what odd JSON leads to
)
_PREFIX = "base_model.model."


def save_edit(edit: Edit, folder: Path, *, base_model: str = "") -> None:
    """Writes `edit` into `folder`, which is made if need be.

    An edit without a low-rank part (a head mask) has no adapter files, as PEFT knows no empty adapter.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if edit.deltas:
        tensors = {}
        for name, low in edit.deltas.items():
            tensors[f"{_PREFIX}{name}.lora_A.weight"] = low.a.contiguous().clone()
            tensors[f"{_PREFIX}{name}.lora_B.weight"] = low.b.contiguous().clone()
        save_file(tensors, folder / WEIGHTS)
        _write_json(folder / CONFIG, _peft_config(edit, base_model))
    if edit.dense:
        # safetensors refuses tensors that share memory, as the changes of two names may.
        save_file({name: change.contiguous().clone() for name, change in edit.dense.items()}, folder / DENSE)
    scales = {name: low.scale for name, low in edit.deltas.items()}
    extra: dict[str, object] = {"schema": SCHEMA, "masked": list(edit.masked), "scales": scales}
    if edit.dense:
        extra["dense"] = list(edit.dense)
    _write_json(folder / EXTRA, extra)


def load_edit(folder: Path) -> Edit:
    """Reads what `save_edit` wrote.

    Raises:
        EditError: A file is missing, damaged or of another schema.
    """
    try:
        extra = json.loads((folder / EXTRA).read_text(encoding="utf-8"))
        if extra["schema"] != SCHEMA:
            raise EditError(f"{folder / EXTRA}: expected schema {SCHEMA!r}, found {extra['schema']!r}")
        scales = {str(name): float(scale) for name, scale in extra["scales"].items()}
        tensors = load_file(folder / WEIGHTS) if scales else {}
        deltas = {
            name: LowRank(tensors[f"{_PREFIX}{name}.lora_A.weight"], tensors[f"{_PREFIX}{name}.lora_B.weight"], scale)
            for name, scale in scales.items()
        }
        stored = load_file(folder / DENSE) if extra.get("dense") else {}
        dense = {str(name): stored[name] for name in extra.get("dense", ())}
        return Edit(deltas=deltas, masked=_class_indices(extra["masked"]), dense=dense)
    except EditError:
        raise
    except _UNREADABLE as error:
        raise EditError(f"{folder} does not hold a readable edit: {error!r}") from error


def _class_indices(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise ValueError(f"expected a list of class indices under 'masked', found {values!r}")
    return tuple(values)


def _peft_config(edit: Edit, base_model: str) -> dict[str, object]:
    """PEFT's own config. Modules are named by one regular expression: a list would change order with the hash seed."""
    lows = edit.deltas
    first = next(iter(lows.values()))
    ranks = {name: low.rank for name, low in lows.items()}
    alphas = {name: low.scale * low.rank for name, low in lows.items()}
    return {
        "peft_type": "LORA",
        "base_model_name_or_path": base_model,
        "task_type": None,
        "inference_mode": True,
        "r": first.rank,
        "lora_alpha": first.scale * first.rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "target_modules": "|".join(re.escape(name) for name in lows),
        "rank_pattern": {n: r for n, r in ranks.items() if r != first.rank},
        "alpha_pattern": {n: a for n, a in alphas.items() if a != alphas[next(iter(lows))]},
    }


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
