"""Multi-crop against torchvision, operation by operation, and its chance against statistics."""

import pytest
import torch
import torchvision.transforms.v2.functional as tv
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode, RandomResizedCrop

from minidino import crops as C
from minidino import pixels as P
from minidino.crops import Appearance, MultiCrop

PLAIN = Appearance(jitter_p=0, grayscale_p=0, blur_p=(0, 0, 0), solarize_p=0)


@pytest.fixture
def images():
    g = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (6, 3, 40, 56), dtype=torch.uint8, generator=g)


@pytest.fixture
def pictures(images):
    """The same in 0..1, smoothed a little so that hues are not all extremes."""
    return tv.gaussian_blur(images.float() / 255, [5, 5], [1.0, 1.0])


def unnormalize(x):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (P.IMAGENET_MEAN, P.IMAGENET_STD))
    return x * std + mean


# ------------------------------------------------------------------ each operation


@pytest.mark.parametrize("size", [12, 32, 64], ids=["shrink", "near", "enlarge"])
@pytest.mark.parametrize("flip", [False, True])
def test_crop_resize_is_torchvisions_antialiased_bicubic(images, size, flip):
    boxes = torch.tensor([[0, 0, 40, 56], [3, 7, 30, 25], [10, 20, 5, 36], [39, 55, 1, 1],
                          [0, 30, 40, 26], [8, 8, 24, 24]])  # fmt: skip
    ours = P.crop_resize(images, boxes, torch.full((6,), flip), size)
    for image, (top, left, h, w), mine in zip(images, boxes.tolist(), ours, strict=True):
        theirs = tv.resized_crop(
            image.float() / 255, top, left, h, w, [size, size], InterpolationMode.BICUBIC, True
        ).clamp(0, 1)
        theirs = theirs.flip(-1) if flip else theirs
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=0)


def test_crop_resize_is_pils_within_its_rounding(images):
    """PIL rounds to 8 bits after each axis; we never do, so up to 2 of 255 apart."""
    box = torch.tensor([[4, 6, 30, 40]] * 6)
    ours = P.crop_resize(images, box, torch.zeros(6, dtype=torch.bool), 20)
    for image, mine in zip(images, ours, strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        picture = picture.crop((6, 4, 46, 34)).resize((20, 20), Image.Resampling.BICUBIC)
        assert (tv.pil_to_tensor(picture) - mine * 255).abs().max() < 2


def test_a_crop_never_sees_pixels_outside_its_box(images):
    """A kernel that reaches past the box would mix in the neighbourhood."""
    box = torch.tensor([[10, 10, 16, 16]] * 6)
    before = P.crop_resize(images, box, torch.zeros(6, dtype=torch.bool), 8)
    changed = images.clone()
    outside = torch.ones(40, 56, dtype=torch.bool)
    outside[10:26, 10:26] = False
    changed[:, :, outside] = 255 - changed[:, :, outside]
    after = P.crop_resize(changed, box, torch.zeros(6, dtype=torch.bool), 8)
    assert torch.equal(before, after)


@pytest.mark.parametrize("shift", [-0.5, -0.1, 0.0, 0.03, 0.3])
def test_hue(pictures, shift):
    ours = P.shift_hue(pictures, torch.full((6,), shift))
    torch.testing.assert_close(ours, tv.adjust_hue(pictures, shift), atol=2e-5, rtol=0)


def test_hue_of_gray_stays_gray():
    gray = torch.full((1, 3, 4, 4), 0.3)
    torch.testing.assert_close(P.shift_hue(gray, torch.tensor([0.2])), gray)


def test_jitter_in_every_order_is_torchvisions_operations_in_that_order(pictures):
    import itertools

    orders = torch.tensor(list(itertools.permutations(range(4))))
    g = torch.Generator().manual_seed(1)
    factors = torch.rand(24, 4, generator=g) * torch.tensor([0.8, 0.8, 0.4, 0.2])
    factors += torch.tensor([0.6, 0.6, 0.8, -0.1])
    x = pictures[torch.arange(24) % 6]
    ours = P.color_jitter(x.clone(), orders, factors)
    steps = [tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue]
    for i in range(24):
        theirs = x[i]
        for operation in orders[i].tolist():
            theirs = steps[operation](theirs, float(factors[i, operation]))
        # torchvision's gray weights are rounded (0.2989), PIL's and ours are not (0.299).
        torch.testing.assert_close(ours[i], theirs, atol=2e-3, rtol=0)


def test_grayscale_is_pils(images):
    ours = P.luma(images.float())[:, 0]
    for image, mine in zip(images, ours, strict=True):
        gray = ImageOps.grayscale(Image.fromarray(image.permute(1, 2, 0).numpy()))
        assert (tv.pil_to_tensor(gray)[0] - mine).abs().max() <= 1.0


def test_blur_is_torchvisions_away_from_the_edge(pictures):
    sigma = torch.tensor([0.3, 0.5, 0.8, 1.0, 1.5, 2.0])
    ours = P.gaussian_blur(pictures, sigma)
    for x, mine, s in zip(pictures, ours, sigma.tolist(), strict=True):
        theirs = tv.gaussian_blur(x, [17, 17], [s, s])
        torch.testing.assert_close(mine[:, 8:-8, 8:-8], theirs[:, 8:-8, 8:-8], atol=1e-3, rtol=0)


def test_blur_keeps_a_constant_picture_constant_up_to_the_edge():
    x = torch.full((1, 3, 9, 9), 0.7)
    torch.testing.assert_close(P.gaussian_blur(x, torch.tensor([2.0])), x)


def test_solarize_is_pils(images):
    ours = P.solarize(images.float() / 255) * 255
    for image, mine in zip(images, ours, strict=True):
        theirs = ImageOps.solarize(Image.fromarray(image.permute(1, 2, 0).numpy()), 128)
        assert (tv.pil_to_tensor(theirs) - mine).abs().max() < 1e-3


def test_normalize(images):
    theirs = tv.normalize(images.float() / 255, list(P.IMAGENET_MEAN), list(P.IMAGENET_STD))
    torch.testing.assert_close(P.normalize(images), theirs)


# ------------------------------------------------------------------ the whole


def test_shapes_and_types(images):
    g, local = MultiCrop(24, 16, 3)(images)
    assert g.shape == (12, 3, 24, 24) and local.shape == (18, 3, 16, 16)
    assert g.dtype == local.dtype == torch.float32
    assert MultiCrop(24, 16, 0)(images)[1].shape == (0, 3, 16, 16)


def test_views_are_crop_major_and_of_their_own_image():
    """Image i is the constant 20 * i; each view must show its image's constant."""
    images = (torch.arange(5) * 20).to(torch.uint8).view(5, 1, 1, 1).expand(5, 3, 32, 32)
    crops = MultiCrop(16, 8, 3, appearance=PLAIN)
    for views, n in zip(crops(images), (2, 3), strict=True):
        values = unnormalize(views).mean(dim=(1, 2, 3)) * 255
        expected = (torch.arange(5) * 20.0).repeat(n)
        torch.testing.assert_close(values, expected, atol=1e-2, rtol=0)


def test_generator_makes_it_repeatable_and_input_is_unchanged(images):
    crops, before = MultiCrop(24, 16, 4), images.clone()
    first = crops(images, torch.Generator().manual_seed(3))
    again = crops(images, torch.Generator().manual_seed(3))
    other = crops(images, torch.Generator().manual_seed(4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert torch.equal(images, before)


def test_values_stay_in_the_range_of_pictures(images):
    for views in MultiCrop(24, 16, 8)(images):
        x = unnormalize(views)
        assert x.isfinite().all() and x.min() > -1e-3 and x.max() < 1 + 1e-3


def test_every_image_and_every_view_has_a_draw_of_its_own():
    """The same picture 16 times: one draw for the batch would give 16 equal views."""
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (1, 3, 48, 48), dtype=torch.uint8, generator=g)
    for views in MultiCrop(16, 8, 4)(images.expand(16, -1, -1, -1)):
        flat = views.flatten(1)
        distance = torch.cdist(flat, flat) + torch.eye(len(flat)) * 1e9
        assert distance.min() > 1e-3


def draws(n=4000, scale=(0.4, 1.0), size=(48, 64), **changes):
    g = torch.Generator().manual_seed(0)
    p = torch.full((n,), 0.3)
    return C.draw(n, size, scale, Appearance(**changes), p, p, g)


def test_boxes_have_the_distribution_of_torchvisions():
    """Area share and aspect ratio: mean and spread against 4,000 of RandomResizedCrop's."""
    ours = draws().box.double()
    torch.manual_seed(0)
    image = torch.zeros(1, 48, 64)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(image, [0.4, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)]
    ).double()
    for column in range(4):
        a, b = ours[:, column], theirs[:, column]
        assert abs(a.mean() - b.mean()) < 0.1 * b.std()  # 4 standard errors are 0.09
        assert abs(a.std() / b.std() - 1) < 0.1


def test_boxes_lie_inside_and_have_the_asked_area():
    for size, scale in [((48, 64), (0.05, 0.4)), ((7, 5), (0.05, 0.4)), ((100, 9), (0.9, 1.0))]:
        top, left, h, w = draws(scale=scale, size=size).box.unbind(1)
        assert (h >= 1).all() and (w >= 1).all() and (top >= 0).all() and (left >= 0).all()
        assert (top + h <= size[0]).all() and (left + w <= size[1]).all()
    share = (draws(scale=(0.2, 0.4)).box[:, 2:].prod(1) / (48 * 64)).double()
    assert share.min() > 0.18 and share.max() < 0.42


def test_an_image_too_narrow_for_any_box_gets_the_central_one():
    box = draws(n=50, scale=(0.9, 1.0), size=(100, 9)).box
    assert (box == torch.tensor([44, 0, 12, 9])).all()


@pytest.mark.parametrize(
    ("field", "p"), [("flip", 0.5), ("jitter", 0.8), ("grayscale", 0.2), ("blur", 0.3)]
)
def test_how_often_each_thing_happens(field, p):
    share = getattr(draws(), field).double().mean().item()
    assert abs(share - p) < 4 * (p * (1 - p) / 4000) ** 0.5


def test_orders_are_permutations_each_as_likely():
    order = draws(n=24_000).order
    assert (order.sort(dim=1).values == torch.arange(4)).all()
    code = (order * torch.tensor([64, 16, 4, 1])).sum(1)
    counts = code.unique(return_counts=True)[1]
    assert len(counts) == 24 and counts.min() > 800 and counts.max() < 1200


def test_factors_are_uniform_in_their_ranges():
    f = draws(brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1).factors.double()
    low, high = f.amin(0), f.amax(0)
    expected = torch.tensor([[0.6, 1.4], [0.7, 1.3], [0.8, 1.2], [-0.1, 0.1]]).double()
    torch.testing.assert_close(torch.stack([low, high], 1), expected, atol=0.01, rtol=0)
    assert (f.std(0) - (expected[:, 1] - expected[:, 0]) / 12**0.5).abs().max() < 0.01


def test_blur_and_solarize_follow_the_view():
    """First global always blurred, second one in ten, only the second ever solarized."""
    images = torch.zeros(500, 3, 16, 16, dtype=torch.uint8)
    seen = []
    original = C.render
    try:
        C.render = lambda images, d, size: seen.append(d) or original(images, d, size)
        MultiCrop(8, 8, 2)(images, torch.Generator().manual_seed(0))
    finally:
        C.render = original
    globals_, locals_ = seen
    assert globals_.blur[:500].all() and 0.05 < globals_.blur[500:].float().mean() < 0.16
    assert 0.43 < locals_.blur.float().mean() < 0.57
    assert not globals_.solarize[:500].any() and not locals_.solarize.any()
    assert 0.13 < globals_.solarize[500:].float().mean() < 0.27


def test_wrong_input_is_named():
    with pytest.raises(TypeError, match="uint8"):
        MultiCrop(8, 8, 1)(torch.rand(2, 3, 16, 16))
    with pytest.raises(ValueError, match="local_scale"):
        MultiCrop(local_scale=(0.5, 0.1))
    with pytest.raises(ValueError, match="sizes"):
        MultiCrop(global_size=0)


@pytest.mark.gpu
def test_same_draws_same_views_on_cuda(images):
    crops = MultiCrop(24, 16, 4)
    on_cpu = crops(images, torch.Generator().manual_seed(0))
    on_gpu = crops(images.cuda(), torch.Generator().manual_seed(0))
    for a, b in zip(on_cpu, on_gpu, strict=True):
        torch.testing.assert_close(a, b.cpu(), atol=1e-4, rtol=0)
