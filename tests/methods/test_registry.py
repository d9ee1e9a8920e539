from importlib.metadata import EntryPoint

import pytest

from expunge.errors import MethodError
from expunge.methods import GSLoRAPlusPlus, HeadMask, make_method, method_class, method_names
from expunge.methods.closed_form_pp import ClosedFormPlusPlus


def test_ours_are_installed() -> None:
    assert {"gs-lora", "gs-lora++", "head-mask"} <= set(method_names())
    assert method_class("gs-lora++") is GSLoRAPlusPlus


def test_settings_may_come_as_text() -> None:
    method = make_method("gs-lora++", settings={"epochs": "7", "lr": "0.5", "sparsity": "subgradient"})
    assert method == GSLoRAPlusPlus(epochs=7, lr=0.5, sparsity="subgradient")


def test_settings_win_over_the_preset_and_the_preset_over_defaults() -> None:
    settings = vars(make_method("gs-lora", preset="published", settings={"epochs": 3}))
    assert (settings["epochs"], settings["bound"], settings["grouping"]) == (3, 105.0, "block")


def test_without_settings_it_is_the_default() -> None:
    assert make_method("head-mask") == HeadMask()


def test_auto_is_the_closed_form() -> None:
    assert make_method("auto") == ClosedFormPlusPlus()
    assert make_method("auto", settings={"depth": "fast", "passes": "1"}) == ClosedFormPlusPlus(depth="fast", passes=1)
    assert "auto" not in method_names()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "auto", "settings": {"epochs": 3}},
            r"method 'closed-form\+\+' has no setting 'epochs'; it has: depth",
        ),
        ({"name": "auto", "settings": {"depth": "abyss"}}, "setting 'depth': .* got 'abyss'"),
        ({"name": "gs-lora", "settings": {"depth": "fast"}}, "no depth; .* with --set last_blocks=N"),
        ({"name": "head-mask", "settings": {"depth": "fast"}}, "no setting 'depth'; it has: none"),
        ({"name": "gs-lora", "settings": {"depth": "fast", "dept": 1}}, "no setting 'dept'"),
        ({"name": "gs-lara"}, "unknown method 'gs-lara'; installed: .*gs-lora"),
        ({"name": "gs-lora", "preset": "best"}, "no preset 'best'; it has: published"),
        ({"name": "gs-lora", "settings": {"epoch": 3}}, "no setting 'epoch'; it has: .*epochs"),
        ({"name": "gs-lora", "settings": {"epochs": "many"}}, "setting 'epochs': .* got 'many'"),
        ({"name": "gs-lora", "settings": {"epochs": 0}}, "^method 'gs-lora': epochs must be greater than 0, got 0$"),
        ({"name": "gs-lora", "settings": {"warmup": 2}}, "warmup must be 1 or less, got 2$"),
        ({"name": "gs-lora", "settings": {"last_blocks": -1}}, "last_blocks must be 0"),
        ({"name": "gs-lora", "settings": {"grouping": "layer"}}, "setting 'grouping'"),
        ({"name": "head-mask", "settings": {"epochs": 3}}, "no setting 'epochs'; it has: none"),
    ],
)
def test_bad_settings(arguments, message) -> None:
    with pytest.raises(MethodError, match=message):
        make_method(**arguments)


class Half:
    """What a stranger's package may forget."""

    name, summary, source, presets = "half", "half a method", "nowhere", {}

    def first_block(self, model) -> int:
        return 0

    def forget(self, context, task) -> None:
        raise NotImplementedError


def test_a_stranger_without_needs_prototypes_is_told_so(monkeypatch) -> None:
    point = EntryPoint("half", f"{__name__}:Half", "expunge.methods")
    monkeypatch.setattr("expunge.methods.registry.entry_points", lambda group: [point] * (group == point.group))
    with pytest.raises(MethodError, match=r"'half' .* lacks needs_prototypes; see expunge\.methods\.Method"):
        method_class("half")
