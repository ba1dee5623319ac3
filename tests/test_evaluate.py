"""Features, k-NN and the linear probe against scikit-learn and a formula."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize as l2
from torch.overrides import TorchFunctionMode
from torch.profiler import ProfilerActivity, profile

from minidino.attention import attention_maps, score_attention
from minidino.data.pictures import Pictures
from minidino.evaluate import (
    accuracy,
    bytes_per_image,
    extract_features,
    images_at_once,
    knn_predict,
    linear_probe,
)
from minidino.pixels import normalize
from minidino.successors.vit_v2 import VisionTransformerV2
from minidino.using.attend import maps_of
from minidino.using.examples import Example
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
    assert images_at_once(model.to("meta"), 16, 16) == 256  # any device but a CPU


def test_bytes_per_image_are_what_one_more_image_takes_at_the_peak():
    """PyTorch's own count of what is allocated and freed, along the forward pass."""
    for heads, side in ((3, 96), (12, 96), (12, 80), (3, 320)):
        model = VisionTransformer(32, 8, embed_dim=96, depth=3, num_heads=heads).eval()
        peaks = []
        for n in (1, 3):
            images = torch.zeros(n, 3, side, side, dtype=torch.uint8)
            with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
                extract_features(model, images, batch_size=n, n_last_blocks=3)
            now, most = 0, 0
            events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
            for event in sorted(events, key=lambda e: e.start_ns()):
                now += event.nbytes()
                most = max(most, now)
            peaks.append(most)
        one_more = (peaks[1] - peaks[0]) / 2
        assert 0.9 * one_more < bytes_per_image(model, side, side) < 2.5 * one_more


def test_of_large_images_fewer_are_taken_and_one_at_least():
    model = VisionTransformer(16, 8, embed_dim=24, depth=2, num_heads=3).eval()
    for side in (16, 256, 1024, 4096):
        n = images_at_once(model, side, side)
        assert n == 1 or n * bytes_per_image(model, side, side) <= 2**30
    assert 1 < images_at_once(model, 1024, 1024) < 32 and images_at_once(model, 9600, 9600) == 1
    assert images_at_once(torch.nn.Linear(3, 3), 4096, 4096) == 32  # whose size nobody knows


def test_the_widest_layer_of_a_gated_mlp_counts():
    plain = VisionTransformerV2(28, 14, embed_dim=48, depth=2, num_heads=2, hidden_dim=64)
    gated = VisionTransformerV2(
        28, 14, embed_dim=48, depth=2, num_heads=2, hidden_dim=64, gated=True
    )
    tokens = 1 + 4
    more = bytes_per_image(gated, 28, 28) - bytes_per_image(plain, 28, 28)
    assert more == 4 * tokens * 2 * 64  # both halves, before and after


def test_floats_are_refused_where_bytes_are_meant():
    """They were divided by 255 again: nearly black pictures, other features, and not a word."""
    model = VisionTransformer(16, 8, embed_dim=24, depth=2, num_heads=3).train()
    floats, masks = torch.rand(2, 3, 16, 16), torch.ones(2, 16, 16, dtype=torch.bool)
    for call in (
        lambda: extract_features(model, floats),
        lambda: score_attention(model, floats, masks),
        lambda: maps_of(model, [Example("", floats[0], None)]),
    ):
        with pytest.raises(TypeError, match=r"uint8 .*got torch.float32 \(\d, 3, 16, 16\)"):
            call()
    assert model.training  # still
    with pytest.raises(TypeError, match=r"got torch.uint8 .*minidino\.pixels\.normalize"):
        attention_maps(model, floats.byte())


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


def test_linear_probe_learns_where_the_features_are(clusters):
    """As k-NN does. New tensors without a device go elsewhere here, as features on a GPU would."""

    class Elsewhere(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            new = function in (torch.zeros, torch.tensor) and "device" not in (kwargs or {})
            return made.to("meta") if new and made.ndim else made

    x, y, test, _ = clusters
    expected = linear_probe(x, y, test, 2)
    with Elsewhere():
        assert torch.equal(linear_probe(x, y, test, 2), expected)


def test_accuracy():
    assert accuracy(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 4])) == 75.0
    for n in (40, 49, 93, 160, 1000):
        for right in range(n + 1):  # the nearest number to the true one, as Python divides
            predicted = (torch.arange(n) >= right).long()
            assert accuracy(predicted, torch.zeros(n)) == 100 * right / n


def test_the_bar_knows_how_many_images_there_are(capsys):
    """Batches come from a generator, which has no length: the bar showed `3it` and no end."""
    model = VisionTransformer(16, 8, 3, 24, 1, 2)
    pictures = Pictures(torch.zeros(70, 3, 16, 16, dtype=torch.uint8))
    features, _ = features_of(model, pictures, progress="features")
    assert len(features) == 70
    assert "/70 [" in (said := capsys.readouterr().err) and "image/s" in said
    extract_features(model, pictures.images)
    assert capsys.readouterr().err == ""
