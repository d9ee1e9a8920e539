"""`expunge measure` as a user runs it, in this process."""

import json
import re
from pathlib import Path

import pytest
import torch

from expunge.adapters import Edit, EditStack
from expunge.cli.app import run
from expunge.evidence.scorecard import Scorecard
from expunge.runs import load

FILES = ["scorecard.html", "scorecard.json", "scorecard.md", "scorecard.svg", "verdict.json"]


@pytest.fixture(scope="module")
def masked_folder(toy_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy model with amber struck at the head, saved as another tool would."""
    model = load(toy_model_folder, device="cpu")
    EditStack(model).push(Edit(masked=(0,)))
    folder = tmp_path_factory.mktemp("masked") / "model"
    model.save(folder)
    return folder


def value(card: Scorecard, key: str) -> float:
    row = card.row(key)
    assert row is not None
    return row.value


@pytest.fixture
def measure(toy_model_folder: Path, masked_folder: Path, toy_data_folder: Path, tmp_path: Path):
    def go(
        *more: str, before: object = toy_model_folder, after: object = masked_folder, forgotten: str = "amber"
    ) -> int:
        arguments = ["measure", str(before), str(after), "--data", str(toy_data_folder), "--forgotten", forgotten]
        return run([*arguments, "--out", str(tmp_path / "out"), *more])

    return go


def said(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_a_head_mask_is_not_erasure(measure, tmp_path, capsys) -> None:
    assert measure() == 3
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == FILES
    card = Scorecard.parse((out / "scorecard.json").read_text())
    assert value(card, "acc_f") == 0
    assert value(card, "linear_probe") > 80
    verdict = json.loads((out / "verdict.json").read_text())
    assert verdict["outcome"] == "not_erased"
    failed = [reason["key"] for reason in verdict["reasons"] if reason["status"] == "failed"]
    assert failed == ["rows_in_place_acc_f", "rows_in_place_acc_f", "int8_rows_in_place_acc_f"]
    shown = " ".join(capsys.readouterr().out.split())
    assert "verdict: not erased" in shown
    assert "failed: rows_in_place_acc_f at most 5 %" in shown
    assert "unmeasured: strangers_known_p at least 0.05; not measured: needs strangers" in shown
    assert not list(tmp_path.glob(".*partial*"))


def test_a_policy_that_looks_at_accuracy_alone_is_fooled(measure, tmp_path, capsys) -> None:
    lenient = tmp_path / "lenient.toml"
    lenient.write_text(
        'schema = "expunge/policy/v1"\nname = "lenient"\n[[rule]]\nkey = "acc_f"\nkind = "erasure"\nmax = 5'
    )
    assert measure("--policy", str(lenient), "--measures", "forgetting") == 0
    assert "verdict: erased" in capsys.readouterr().out
    card = Scorecard.parse((tmp_path / "out" / "scorecard.json").read_text())
    assert [row.key for row in card.rows] == ["acc_f", "acc_r", "h"]


def test_an_oracle_stands_beside(measure, toy_model_folder, masked_folder, tmp_path) -> None:
    oracles = ()
    for number, folder in enumerate((masked_folder, toy_model_folder)):
        model = load(folder, device="cpu")
        with torch.no_grad():
            model.linear(model.head_name).bias.add_(1e-3)  # as it is, it would be no oracle
        model.save(tmp_path / f"oracle-{number}")
        oracles += ("--oracle", str(tmp_path / f"oracle-{number}"))
    assert measure("--measures", "forgetting,js-divergence", "--earlier", "blue", *oracles) == 3
    card = Scorecard.parse((tmp_path / "out" / "scorecard.json").read_text())
    assert len(card.oracles) == 2
    assert card.earlier == ("blue",)
    oracle = card.rows[0].oracle
    assert oracle is not None
    assert oracle > 0


def test_shadow_models_are_named_one_by_one(measure, toy_model_folder, masked_folder, tmp_path) -> None:
    shadows = ("--shadow-forgotten", str(masked_folder)) * 4 + ("--shadow-never", str(toy_model_folder)) * 4
    assert measure("--measures", "forgetting,u-lira", *shadows) == 3
    card = Scorecard.parse((tmp_path / "out" / "scorecard.json").read_text())
    assert value(card, "u_lira_auc") == 100, "whoever masks the head is where masked shadows are"


def test_a_model_under_test_is_no_oracle(measure, toy_model_folder, masked_folder, tmp_path, capsys) -> None:
    for folder, part in ((masked_folder, "edited"), (toy_model_folder, "original")):
        assert measure("--measures", "forgetting", "--oracle", str(folder)) == 2
        assert f"is the {part} model, bit for bit" in said(capsys)
    assert not (tmp_path / "out").exists()


def test_what_keeps_a_verdict_open_is_said(measure, tmp_path, capsys) -> None:
    policy = tmp_path / "narrow.toml"
    policy.write_text(
        'schema = "expunge/policy/v1"\nname = "narrow"\n'
        '[[rule]]\nkey = "acc_f"\nkind = "erasure"\nmax = 5\ncounts = "high"\nrequired = false\n'
        '[[rule]]\nkey = "linear_probe"\nkind = "erasure"\nmax = 5\nrequired = false\n'
    )
    assert measure("--policy", str(policy), "--measures", "forgetting") == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert "verdict: not enough evidence" in shown
    assert re.search(r"undecided: acc_f at most 5 %.*; 0 %, .*, n 6; high end of the interval does not keep", shown)
    assert "linear_probe" not in shown


@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("'zebra', named as earlier, is no class", ("--earlier", "zebra")),
        ("unknown measure 'magic'", ("--measures", "magic")),
        ("--measures takes", ("--measures", "a,,b")),
        ("nowhere.toml cannot be read", ("--policy", "nowhere.toml")),
        ("no-such-device", ("--device", "no-such-device")),
        ("nobody/nothing", ("--oracle", "nobody/nothing")),
    ],
)
def test_unusable_input_leaves_nothing(measure, message, more, tmp_path, capsys) -> None:
    assert measure(*more) == 2
    assert message in said(capsys)
    assert list(tmp_path.iterdir()) == []


def test_unknown_forgotten_class_and_missing_model(measure, capsys) -> None:
    assert measure(forgotten="zebra") == 2
    assert "'zebra', named as forgotten, is no class of the models; they have amber" in said(capsys)
    assert measure(after="nobody/nothing") == 2


def test_a_policy_with_a_slip_of_the_pen(measure, tmp_path, capsys) -> None:
    slip = tmp_path / "slip.toml"
    slip.write_text('schema = "expunge/policy/v1"\nname = "x"\n[[rule]]\nkey = "acc_z"\nkind = "harm"\nmin = 5')
    assert measure("--policy", str(slip)) == 2
    assert "rule 1 asks for 'acc_z', which nothing measures" in said(capsys)


def test_a_folder_with_something_in_it_is_left_alone(measure, tmp_path, capsys) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert measure("--measures", "forgetting") == 2
    assert "not an empty folder" in said(capsys)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_help_has_an_example(capsys) -> None:
    assert run(["measure", "--help"]) == 0
    assert "Example: expunge measure" in " ".join(capsys.readouterr().out.split())
