import torch

from expunge.data import align, augment, load_folder
from expunge.memory import compute_prototypes, mean_embeddings
from expunge.vision import ActivationCache, load_model


def test_means_by_hand() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [3.0, 2.0], [5.0, 5.0]])
    found = mean_embeddings(embeddings, torch.tensor([2, 2, 0]), 3)
    assert found.values.tolist() == [[5.0, 5.0], [0.0, 0.0], [2.0, 1.0]]
    assert found.counts.tolist() == [1, 0, 2]
    assert found.known.tolist() == [True, False, True]


def test_few_images_are_averaged_with_their_augmented_copies(toy_model_folder, toy_data_folder) -> None:
    model = load_model(toy_model_folder)
    train = align(load_folder(toy_data_folder), model.classes).train
    few = train.select([*range(3), *range(8, 16)])  # three of the first class, eight of the second
    cache = ActivationCache(model, 1)
    found = compute_prototypes(cache, few, enough=8, seed=5)  # two copies of each of the three
    first = few.only([0])
    pixels = model.prepare([*first.load(), *augment(first, 2, 5).load()])
    torch.testing.assert_close(found.values[0], model(pixels).embedding.mean(0), rtol=1e-4, atol=1e-5)
    second = model(model.prepare(few.only([1]).load())).embedding.mean(0)
    torch.testing.assert_close(found.values[1], second, rtol=1e-4, atol=1e-5)
    assert found.counts.tolist() == [9, 8, 0, 0, 0, 0]
