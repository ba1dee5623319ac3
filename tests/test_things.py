"""ThingsOnStuff: seeded, labelled, masked, and telling only where it should be."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from minidino.data.things import CHUNK, CLASSES, STUFF, ThingsOnStuff


@pytest.fixture(scope="module")
def things():
    return ThingsOnStuff(1200, 48, seed=5)


@pytest.fixture(scope="module")
def telling():
    return ThingsOnStuff(1200, 48, seed=5, stuff="telling")


def background(data, i):
    """Pixels (n, 3) of image i at least two pixels away from the thing."""
    near = torch.nn.functional.max_pool2d(data.masks[i][None].float(), 5, 1, 2)[0] > 0
    return data.images[i].float()[:, ~near].T


def test_shapes_types_and_classes(things):
    assert things.images.shape == (1200, 3, 48, 48) and things.images.dtype == torch.uint8
    assert things.masks.shape == (1200, 48, 48) and things.masks.dtype == torch.bool
    assert things.labels.dtype == torch.int64 and len(CLASSES) == 10
    counts = things.labels.bincount(minlength=10)
    assert counts.min() > 80  # 120 expected; 80 is four standard errors below


@pytest.mark.parametrize("size", [16, 33, 96])
def test_any_size(size):
    assert ThingsOnStuff(3, size).images.shape == (3, 3, size, size)


@pytest.mark.parametrize("stuff", ["noise", "telling"])
def test_same_seed_same_images_and_a_larger_set_begins_with_the_smaller(stuff):
    small, large = (ThingsOnStuff(n, 24, seed=1, stuff=stuff) for n in (70, CHUNK + 30))
    assert torch.equal(small.images, large.images[:70])
    assert torch.equal(small.masks, large.masks[:70])
    assert torch.equal(small.labels, large.labels[:70])
    assert not torch.equal(small.images, ThingsOnStuff(70, 24, seed=2, stuff=stuff).images)
    assert not torch.equal(large.images[:30], large.images[CHUNK:])


def test_masks_cover_a_reasonable_part_and_never_touch_the_border_much(things):
    share = things.masks.float().mean(dim=(1, 2))
    assert share.min() > 0.08 and share.max() < 0.40 and 0.15 < share.mean() < 0.27
    border = things.masks.clone()
    border[:, 1:-1, 1:-1] = False
    assert (border.sum((1, 2)) > 12).float().mean() < 0.1


def test_the_mask_is_where_the_thing_is(things):
    """Inside, colours are a class's own; outside, gray on average, in every image."""
    for i in range(40):
        assert (background(things, i).mean(0) - STUFF * 255).abs().max() < 6


def test_all_of_a_class_share_colours_and_classes_differ(things):
    mask = things.masks[:, None].float()
    mean = (things.images.float() * mask).sum((2, 3)) / mask.sum((2, 3))
    chroma = mean - mean.mean(dim=1, keepdim=True)
    within = torch.stack([chroma[things.labels == c].std(0).norm() for c in range(10)]).mean()
    centers = torch.stack([chroma[things.labels == c].mean(0) for c in range(10)])
    assert centers.std(0).norm() > 2 * within


def test_shapes_alone_tell_some_classes():
    """Mask shape statistics, blind to colour, do far better than chance (10%)."""
    data = ThingsOnStuff(1500, 48, seed=3)
    m = data.masks.double()
    xy = torch.arange(48.0, dtype=torch.float64)
    area = m.sum((1, 2))
    cx, cy = (m.sum(1) * xy).sum(1) / area, (m.sum(2) * xy).sum(1) / area
    dx, dy = xy[None, None] - cx[:, None, None], xy[None, :, None] - cy[:, None, None]
    r = (dx**2 + dy**2).sqrt() / area.sqrt()[:, None, None]
    features = torch.stack([(m * r**k).sum((1, 2)) / area for k in (1, 2, 4, 8)], 1)
    perimeter = (m.diff(dim=1).abs().sum((1, 2)) + m.diff(dim=2).abs().sum((1, 2))) / area.sqrt()
    features = torch.cat([features, perimeter[:, None]], 1)
    features = ((features - features.mean(0)) / features.std(0)).numpy()
    y = data.labels.numpy()
    model = LogisticRegression(max_iter=500).fit(features[:1000], y[:1000])
    assert model.score(features[1000:], y[1000:]) > 0.4


def test_nothing_in_the_noise_tells_images_apart(things):
    """Between images, background means spread only as much as noise of that size must."""
    means = torch.stack([background(things, i).mean(0) for i in range(200)])
    spread = torch.stack([background(things, i).std(0) for i in range(200)])
    n = torch.tensor([len(background(things, i)) for i in range(200)]).float().mean()
    # Noise two pixels wide has about a quarter as many independent pixels.
    assert means.std(0).max() < 1.3 * spread.mean() / (n / 4).sqrt()
    assert spread.std() / spread.mean() < 0.05


def test_telling_stuff_has_a_colour_of_its_own_in_each_image(telling):
    means = torch.stack([background(telling, i).mean(0) for i in range(200)])
    assert means.std(0).min() > 40
    assert (
        abs(torch.corrcoef(torch.stack([means[:, 0], telling.labels[:200].float()]))[0, 1]) < 0.25
    )


def test_telling_and_noise_show_the_same_things(things, telling):
    assert torch.equal(things.labels, telling.labels) and torch.equal(things.masks, telling.masks)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="telling"):
        ThingsOnStuff(3, stuff="sand")
    with pytest.raises(ValueError, match="at least 1"):
        ThingsOnStuff(0)
