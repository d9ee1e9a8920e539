import numpy as np
import pytest
import torch
import transformers
from torch import nn

from expunge.errors import MethodError
from expunge.methods._layer_inputs import (
    block_linears,
    has_class_token,
    image_inputs,
    one_row_an_image,
    second_moments,
)
from expunge.methods.deep_unlearning import DeepUnlearning, projected, spectrum
from expunge.tasks.classification.context import Context
from expunge.vision import ActivationCache, Layer, VisionModel, load_model, standard_preprocess
from tests.methods import tiny
from tests.vision.handmade import EncoderViT

RNG = np.random.default_rng(0)


def gathered(model, images, name) -> torch.Tensor:
    """(n, tokens, width) inputs of a layer in one pass over the whole model."""
    seen: list[torch.Tensor] = []
    layer = model.module.get_submodule(name)
    handle = layer.register_forward_hook(lambda module, args, output: seen.append(args[0].double()))
    with torch.no_grad():
        model.module(model.prepare(images.load()))
    handle.remove()
    return seen[0]


class TestLayerInputs:
    NAMES = ("vit.layers.1.mlp.fc1", "vit.layers.2.mlp.fc2")

    def fresh(self, toy_model_folder) -> ActivationCache:
        """A model that has never gone on from a block, which it tries with an image of its own making."""
        return ActivationCache(load_model(toy_model_folder), 1, batch_size=5)

    def test_second_moments_are_those_of_all_tokens(self, toy_model_folder, task) -> None:
        cache = self.fresh(toy_model_folder)
        found = second_moments(cache, task.forget, self.NAMES)
        for name in self.NAMES:
            rows = gathered(cache.model, task.forget, name).flatten(0, 1)
            torch.testing.assert_close(found[name], rows.T @ rows / len(rows), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("class_token", [True, False])
    def test_one_row_an_image(self, toy_model_folder, task, class_token) -> None:
        cache = self.fresh(toy_model_folder)
        found = image_inputs(cache, task.forget, self.NAMES, class_token=class_token)
        for name in self.NAMES:
            tokens = gathered(cache.model, task.forget, name)
            expected = tokens[:, 0] if class_token else tokens.mean(1)
            torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-5)

    def test_leaves_no_hook(self, context, task) -> None:
        made = context()
        names = block_linears(made.model, 0)
        second_moments(made.activations, task.forget, names)
        assert not any(module._forward_pre_hooks for module in made.model.module.modules())

    def test_windows_and_maps(self) -> None:
        windows = torch.arange(24.0).view(4, 3, 2)  # two windows of three tokens for each of two images
        linear = Layer("fc", torch.nn.Linear(2, 2))
        found = one_row_an_image(linear.inputs(windows, 2), class_token=False)
        assert found.tolist() == [[5.0, 6.0], [17.0, 18.0]]
        maps = torch.stack([torch.full((2, 5), 1.0), torch.full((2, 5), 3.0), torch.zeros(2, 5)])[None]
        convolution = Layer("conv", torch.nn.Conv2d(2, 3, 1))
        assert one_row_an_image(convolution.outputs(maps, 1), class_token=False).tolist() == [[1.0, 3.0, 0.0]]

    def test_convolutions_are_described_by_their_windows(self) -> None:
        model = tiny.wrapped(tiny.resnet())
        images, name = tiny.template_splits().train.select([0, 1, 2]), model.blocks[-1].linears[-1]
        cache = ActivationCache(model, 2)
        heard: list[torch.Tensor] = []
        handle = model.layer(name).module.register_forward_hook(lambda module, given, result: heard.append(given[0]))
        with torch.no_grad():
            model(model.prepare(images.load()))
        handle.remove()
        windows = torch.nn.functional.unfold(heard[0], 3, padding=1).double()
        flat = windows.transpose(1, 2).flatten(0, 1)
        moments = second_moments(cache, images, [name])[name]
        torch.testing.assert_close(moments, flat.T @ flat / len(flat), rtol=1e-4, atol=1e-5)
        rows = image_inputs(cache, images, [name], class_token=False)[name]
        torch.testing.assert_close(rows, windows.mean(2), rtol=1e-4, atol=1e-5)
        assert name in block_linears(model, 3)
        assert not any("embedder" in found for found in block_linears(model, 0))

    def test_layers_of_torchs_fused_encoder_are_heard_unless_never_called(self, task) -> None:
        torch.manual_seed(0)
        model = VisionModel(
            EncoderViT(6).eval(), tuple("abcdef"), preprocess=standard_preprocess(32, (0.5,) * 3, (0.5,) * 3)
        )
        names = block_linears(model, 0)
        found = second_moments(ActivationCache(model), task.forget, names)
        assert {name for name in names if name not in found} == {
            f"encoder.layers.{i}.self_attn.out_proj" for i in range(3)
        }
        edit = DeepUnlearning(alpha_retain=1.0, alpha_forget=10.0).forget(Context(model, ActivationCache(model)), task)
        assert set(edit.dense) == {f"{name}.weight" for name in found}

    def test_class_tokens_are_recognised(self, toy_model) -> None:
        assert has_class_token(toy_model)
        config = transformers.ConvNextConfig(
            num_stages=2, depths=[1, 2], hidden_sizes=[8, 16], patch_size=4, image_size=32
        )
        convnext: nn.Module = transformers.ConvNextForImageClassification(config)
        assert not has_class_token(
            VisionModel(convnext, ("a", "b"), preprocess=standard_preprocess(32, (0.5,) * 3, (0.5,) * 3))
        )


def importance(values: np.ndarray, alpha: float) -> np.ndarray:
    share = values**2 / np.sum(values**2)
    return alpha * share / ((alpha - 1) * share + 1)


@pytest.mark.parametrize(("alpha_retain", "alpha_forget"), [(1.0, 1.0), (100.0, 3.0)])
def test_projection_against_the_svd_of_the_inputs(alpha_retain, alpha_forget) -> None:
    weight, retain, forget = RNG.normal(size=(3, 6)), RNG.normal(size=(6, 40)), RNG.normal(size=(6, 4))
    parts = []
    for inputs, alpha in ((retain, alpha_retain), (forget, alpha_forget)):
        u, values, _ = np.linalg.svd(inputs, full_matrices=False)
        parts.append(u @ np.diag(importance(values, alpha)) @ u.T)
    p_r, p_f = parts
    expected = weight @ (np.eye(6) - p_f @ (np.eye(6) - p_r)).T
    r, f = (spectrum(torch.tensor(x @ x.T / x.shape[1])) for x in (retain, forget))
    found = projected(
        torch.tensor(weight).float(),
        type(f)(f.basis.float(), f.shares.float()),
        type(r)(r.basis.float(), r.shares.float()),
        alpha_forget,
        alpha_retain,
    )
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_what_is_retained_passes_and_what_is_only_forgotten_does_not() -> None:
    """With both constants large: x in the retained span keeps its image, x outside and in the forget span loses it."""
    weight = torch.tensor(RNG.normal(size=(3, 4))).float()
    retain = spectrum(torch.diag(torch.tensor([1.0, 1.0, 0.0, 0.0])))
    forget = spectrum(torch.diag(torch.tensor([0.0, 1.0, 1.0, 0.0])))
    found = projected(weight, forget, retain, 1e9, 1e9)
    expected = weight.clone()
    expected[:, 2] = 0.0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_attention_and_ffn_weights_change_and_nothing_else(context, task) -> None:
    made = context(2)
    edit = DeepUnlearning(alpha_retain=1.0, alpha_forget=10.0, last_blocks=1).forget(made, task)
    expected = {
        f"{name}.weight"
        for name, module in made.model.module.named_modules()
        if name.startswith("vit.layers.2.") and isinstance(module, nn.Linear)
    }
    assert len(expected) == 6
    assert set(edit.dense) == expected


def test_the_search_finds_constants_that_forget(context, task, splits) -> None:
    """With the published pair the toy forgets nothing: 24 retained images are not 900."""
    made = context()

    def accuracies(edit) -> list[float]:
        found = []
        with torch.no_grad():
            for name, change in edit.dense.items():
                made.model.module.get_parameter(name).add_(change)
            for images in (splits.test.only(task.targets), splits.test.without((*task.targets, *task.forgotten))):
                logits = made.model(made.model.prepare(images.load())).logits
                found.append((logits.argmax(1) == torch.tensor(images.labels)).float().mean().item())
        return found

    state = {name: value.clone() for name, value in made.model.module.state_dict().items()}
    edits = [method.forget(made, task) for method in (DeepUnlearning(), DeepUnlearning(100.0, 3.0))]
    try:
        searched = accuracies(edits[0])
        made.model.module.load_state_dict(state)
        published = accuracies(edits[1])
    finally:
        made.model.module.load_state_dict(state)
    assert searched[0] <= 0.1
    assert searched[1] >= 0.9
    assert published == [1.0, 1.0]


@pytest.mark.parametrize("settings", [{"alpha_retain": -1.0}, {"alpha_forget": -1.0}, {"last_blocks": -1}])
def test_bad_settings_of_deep_unlearning(settings) -> None:
    with pytest.raises(MethodError, match=f"{next(iter(settings))} must be 0 or more"):
        DeepUnlearning(**settings)
