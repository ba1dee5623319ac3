"""Exercise 8.1, frozen features: tells apart another mode, other pixels or tokens, images that are
missing, shuffled or all at once, and a model that comes back changed.
"""

import torch
from torch import Tensor

from minidino.checks.core import call, check, close, expect, expect_close
from minidino.vit import VisionTransformer


@check("8.1", "frozen features")
def check_8_1(frozen_features):
    model = VisionTransformer(16, 8, embed_dim=24, depth=2, num_heads=3, drop_path_rate=0.5)
    # Fresh biases and LayerNorms are 0 and 1, which hides slips; and a fresh output is small.
    for p in model.parameters():
        p.data.add_(0.2 * torch.randn_like(p))
    images = torch.randint(0, 256, (10, 3, 16, 16), dtype=torch.uint8)

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (images.float() / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    model.eval()
    with torch.no_grad():
        tokens = model.forward_features(x)
        want = torch.cat([model(image[None]) for image in x])  # one at a time
        raw, scaled = model(images.float()), model(images.float() / 255)

    seen = []
    watch = model.blocks[0].register_forward_pre_hook(
        lambda block, inputs: seen.append((block.training, len(inputs[0])))
    )
    model.train()
    got = call(frozen_features, model, images, 3)
    watch.remove()
    expect(
        not any(training for training, _ in seen),
        "The backbone ran in train mode: drop-path (or dropout, or batch statistics) makes its "
        "features random, another time you would get others. Call model.eval() first.",
    )
    if isinstance(got, Tensor):
        expect(
            not got.requires_grad,
            "Your features carry a graph: a probe trained on them would send gradients into the "
            "backbone, and every batch's activations stay in memory. Use torch.no_grad().",
        )
        expect(
            got.shape != (1, 24),
            "You returned the features of the last batch only. Collect those of every batch and "
            "torch.cat them.",
        )
        expect(
            got.shape != (9, 24),
            "The last, smaller batch is missing: 10 images in batches of 3 are 3 + 3 + 3 + 1.",
        )
        expect(
            got.shape != (10,),
            "One number an image: you took column 0 of the features. model(images) has picked the "
            "[CLS] token already; its answer is (B, D), as it stands.",
        )
        if got.shape == want.shape and not close(got, want):
            nearest = torch.cdist(got.double(), want.double()).argmin(dim=1)
            expect(
                not close(got, want[nearest]),
                "These are the right features in the wrong order: row i is that of image i. Do not "
                "shuffle.",
            )
    expect_close(
        got,
        want,
        {
            "You gave the model pixels from 0 to 255. It was trained on normalize(images), and "
            "its features of anything else mean little.": raw,
            "You scaled the pixels to 0..1 but did not take ImageNet's mean and standard "
            "deviation out, as in training. normalize(images) does both.": scaled,
            "You averaged the patch tokens. DINO's k-NN uses the [CLS] token, which model(x) "
            "returns.": tokens[:, 1:].mean(1),
            "You averaged all tokens. DINO's k-NN uses the [CLS] token, which model(x) "
            "returns.": tokens.mean(1),
            "You brought the features to length 1 already. That is k-NN's business; a linear "
            "probe wants them as they are.": torch.nn.functional.normalize(want, dim=1),
        },
        names="(N, D)",
        what="The matrix of features",
    )
    sizes = [size for _, size in seen]
    expect(
        sizes != [4, 4, 2],
        "You made batch_size batches: chunk(3) cuts 10 images into 3 parts. batch_size says how "
        "many images go through at a time: images.split(batch_size).",
    )
    expect(
        max(sizes, default=0) <= 3,
        "You put all images through the model at once, and batch_size is not used. A bank of "
        "50,000 images does not fit in memory: images.split(batch_size).",
    )
    expect(
        model.training,
        "You left the model in eval mode. It was in train mode when you got it, and whoever "
        "goes on training it will miss drop-path: keep model.training, and restore it.",
    )
    expect(
        all(p.requires_grad for p in model.parameters()),
        "You set requires_grad_(False) on the model's parameters for good; whoever goes on "
        "training it will train nothing. torch.no_grad() ends with its block.",
    )
    model.eval()
    call(frozen_features, model, images[:2], 3)
    expect(
        not model.training,
        "The model came in eval mode and went out in train mode. Restore the mode it had.",
    )
