"""Features, k-NN and the linear probe against scikit-learn and a formula."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize as l2

from minidino.attention import score_attention
from minidino.data.pictures import Pictures
from minidino.evaluate import (
    accuracy,
    extract_features,
    images_at_once,
    knn_predict,
    linear_probe,
)
from minidino.pixels import normalize
from minidino.using.score import features_of
from minidino.vit import VisionTransformer


@pytest.fixture(scope="module")
def clusters():
    """Five overlapping clusters, rows of very different lengths: (train x, y, test x, y)."""
    g = torch.Generator().manual_seed(0)
    centers = torch.randn(5, 16, generator=g)
    y = torch.randint(0, 5, (900,), generator=g)
    x = centers[y] + 0.9 * torch.randn(900, 16, generator=g)
    x = x * torch.rand(900, 1, generator=g).add(0.05).mul(20)
    return x[:600], y[:600], x[600:], y[600:]


@pytest.mark.parametrize(("k", "temperature"), [(20, 0.07), (5, 0.5), (1, 0.07)])
def test_knn_is_scikit_learns(clusters, k, temperature):
    x, y, test, _ = clusters

    def weights(distances):  # |a - b|^2 = 2 - 2 cos for unit vectors
        return np.exp((1 - distances**2 / 2) / temperature)

    theirs = KNeighborsClassifier(k, weights=weights).fit(l2(x.numpy()), y.numpy())
    ours = knn_predict(x, y, test, k, temperature)
    assert (ours.numpy() == theirs.predict(l2(test.numpy()))).mean() > 0.995


def test_knn_by_brute_force(clusters):
    x, y, test, _ = clusters
    ours = knn_predict(x, y, test[:40])
    for i in range(40):
        a = test[i].double() / test[i].double().norm()
        cosines = [
            (float(a @ b.double() / b.double().norm()), int(c)) for b, c in zip(x, y, strict=True)
        ]
        votes = [0.0] * 5
        for cosine, label in sorted(cosines, reverse=True)[:20]:
            votes[label] += np.exp(cosine / 0.07)
        assert ours[i] == int(np.argmax(votes))


def test_knn_weights_matter():
    """One neighbour at cosine 1 outvotes three at 0.8: e^(1/.07) > 3 e^(.8/.07)."""
    bank = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.8, 0.6], [0.8, -0.6]])
    labels = torch.tensor([0, 1, 1, 1])
    assert knn_predict(bank, labels, torch.tensor([[5.0, 0.0]])).item() == 0
    assert knn_predict(bank, labels, torch.tensor([[5.0, 0.0]]), temperature=10.0).item() == 1


def test_knn_has_no_overflow_at_a_low_temperature(clusters):
    x, y, test, _ = clusters
    sharp = knn_predict(x, y, test, temperature=1e-4)
    assert torch.equal(sharp, knn_predict(x, y, test, k=1))


def test_knn_with_fewer_images_than_k(clusters):
    x, y, test, _ = clusters
    assert knn_predict(x[:3], y[:3], test, k=20).shape == (300,)


def test_a_network_that_is_not_trained_takes_few_images_at_once_on_a_cpu():
    model = VisionTransformer(16, 8, embed_dim=24, depth=2, num_heads=3).eval()
    images, seen = torch.randint(0, 256, (70, 3, 16, 16), dtype=torch.uint8), []
    model.blocks[-1].norm1.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    assert extract_features(model, images).shape == (70, 24)
    assert score_attention(model, images, images[:, 0] > 99).per_image.shape == (70, 3)
    features_of(model, Pictures(images, torch.zeros(70)))
    assert seen == [32, 32, 6] * 3
    assert images_at_once(torch.device("cuda")) > 32


def test_features_are_the_models_in_order_and_mode_is_given_back():
    torch.manual_seed(0)
    model = VisionTransformer(16, 8, embed_dim=24, depth=5, num_heads=3, drop_path_rate=0.5)
    images = torch.randint(0, 256, (11, 3, 16, 16), dtype=torch.uint8)
    model.train()
    ours = extract_features(model, images, batch_size=4)
    assert model.training
    model.eval()
    with torch.no_grad():
        expected = torch.cat([model(normalize(image[None])) for image in images])
        layers = model.get_intermediate_layers(normalize(images), 4)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(extract_features(model, images.split(3)), ours, atol=1e-5, rtol=1e-5)
    four = extract_features(model, images, n_last_blocks=4)
    torch.testing.assert_close(four, torch.cat([t[:, 0] for t in layers], 1), atol=1e-5, rtol=1e-5)
    base = extract_features(model, images, n_last_blocks=1, mean_patches=True)
    expected = torch.cat([layers[-1][:, 0], layers[-1][:, 1:].mean(1)], 1)
    torch.testing.assert_close(base, expected, atol=1e-5, rtol=1e-5)


def test_linear_probe_is_as_good_as_logistic_regression(clusters):
    x, y, test, test_y = clusters
    ours = accuracy(linear_probe(x, y, test), test_y)
    theirs = LogisticRegression(max_iter=2000).fit(x.numpy(), y.numpy())
    assert abs(ours - 100 * theirs.score(test.numpy(), test_y.numpy())) < 3


def test_linear_probe_chooses_its_rate_without_the_test_set(clusters):
    """Predictions for some test images do not depend on which others are there."""
    x, y, test, _ = clusters
    assert torch.equal(linear_probe(x, y, test, 5)[:50], linear_probe(x, y, test[:50], 5))


def test_accuracy():
    assert accuracy(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 4])) == 75.0
