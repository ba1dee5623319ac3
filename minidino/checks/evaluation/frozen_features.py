"""Exercise 8.1, frozen features: tells apart another mode, other pixels or tokens, images that are
missing, shuffled or all at once, and a model that comes back changed.
"""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from minidino.checks.compare import compare
from minidino.checks.core import Wrong, call, check, close, expect
from minidino.checks.mistakes import Table
from minidino.vit import VisionTransformer

MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def _normal(images: Tensor) -> Tensor:
    return (images.float() / 255 - MEAN) / STD


def _split(model, images: Tensor, batch_size: int) -> Iterable[Tensor]:
    return images.split(batch_size)


def _features(
    pixels: Callable = _normal,
    read: Callable = lambda model, x: model(x),
    batches: Callable = _split,
    after: Callable = lambda z: z,
    join: Callable = lambda parts: torch.cat(list(parts)),
):
    """Features made of these pieces, in eval mode; the model comes back as it was."""

    def features(model, images, batch_size):
        was = [(m, m.training) for m in model.modules()]
        model.eval()
        try:
            with torch.no_grad():
                parts = [read(model, pixels(b)) for b in batches(model, images, batch_size)]
                return after(join(parts))
        finally:
            for m, mode in was:
                m.training = mode

    return features


def _steps(step: Callable[[int], int], length: Callable[[int], int]):
    """Batches by ``range(0, N, step)``, each so long."""

    def batches(model, images, n):
        return [images[i : i + length(n)] for i in range(0, len(images), step(n))]

    return batches


TRAINED_ON = "It was trained on normalize(images), and its features of anything else mean little."
CLS = "DINO's k-NN uses the [CLS] token, which model(x) returns."
PIXELS = {
    f"You gave the model pixels from 0 to 255. {TRAINED_ON}": lambda b: b.float(),
    "You scaled the pixels to 0..1 but did not take ImageNet's mean and standard deviation out, as "
    "in training. normalize(images) does both.": lambda b: b.float() / 255,
    f"You brought the pixels to -1..1, (x / 255 - 0.5) / 0.5. {TRAINED_ON}": (
        lambda b: b.float() / 127.5 - 1
    ),
    f"You took 0.5 away and left it at that. {TRAINED_ON}": lambda b: b.float() / 255 - 0.5,
    f"You took ImageNet's mean and deviation out of pixels from 0 to 255: divide by 255 first. "
    f"{TRAINED_ON}": lambda b: (b.float() - MEAN) / STD,
    f"You took ImageNet's mean out but did not divide by the deviation. {TRAINED_ON}": (
        lambda b: b.float() / 255 - MEAN
    ),
    f"You normalised each batch by its own mean and deviation. {TRAINED_ON}": (
        lambda b: (b.float() - b.float().mean()) / b.float().std()
    ),
    f"You normalised each image by its own mean and deviation. {TRAINED_ON}": (
        lambda b: (
            (b.float() - b.float().mean((1, 2, 3), keepdim=True))
            / b.float().std((1, 2, 3), keepdim=True)
        )
    ),
    f"You normalised each colour of each image by its own mean and deviation. {TRAINED_ON}": (
        lambda b: (
            (b.float() - b.float().mean((2, 3), keepdim=True)) / b.float().std((2, 3), keepdim=True)
        )
    ),
    "Mean and standard deviation are taken out twice. normalize(images) once, of bytes.": (
        lambda b: (_normal(b) - MEAN) / STD
    ),
    "Red and blue are swapped. The images come as the model knows them.": (
        lambda b: _normal(b.flip(1))
    ),
}
READS = {
    f"You averaged the patch tokens. {CLS}": lambda m, x: m.forward_features(x)[:, 1:].mean(1),
    f"You averaged all tokens. {CLS}": lambda m, x: m.forward_features(x).mean(1),
    f"You took [CLS] of the last block but one. {CLS}": (
        lambda m, x: m.get_intermediate_layers(x, 2)[0][:, 0]
    ),
    f"You took the largest of the patch tokens. {CLS}": (
        lambda m, x: m.forward_features(x)[:, 1:].amax(1)
    ),
    f"You took the first patch's token, number 1. [CLS] is number 0. {CLS}": (
        lambda m, x: m.forward_features(x)[:, 1]
    ),
    f"You took the last patch's token. {CLS}": lambda m, x: m.forward_features(x)[:, -1],
    f"You returned all tokens, [CLS] and patches. {CLS}": lambda m, x: m.forward_features(x),
    f"You returned the tokens of the patches. {CLS}": lambda m, x: m.forward_features(x)[:, 1:],
    f"You put all tokens of an image in one row. {CLS}": (
        lambda m, x: m.forward_features(x).flatten(1)
    ),
    "One number an image: you took column 0 of the features. model(images) has picked the [CLS] "
    "token already; its answer is (B, D), as it stands.": lambda m, x: m(x)[:, 0],
    "Index [0] takes the first *image* of a batch, with all its tokens. model(x) has picked [CLS]; "
    "of forward_features it is [:, 0].": lambda m, x: m.forward_features(x)[0],
    "One number an image: you averaged its features. They are (B, D), as they stand.": (
        lambda m, x: m(x).mean(1)
    ),
}
BATCHES = {
    "You returned the features of the last batch only. Collect those of every batch and torch.cat "
    "them.": lambda m, x, n: [x.split(n)[-1]],
    "You returned the features of the first batch only. Collect those of every batch: is the "
    "`return` inside the loop?": lambda m, x, n: [x[:n]],
    "The last, smaller batch is missing: 10 images in batches of 3 are 3 + 3 + 3 + 1.": (
        lambda m, x, n: [b for b in x.split(n) if len(b) == n]
    ),
    "The first batch is missing: begin at 0.": lambda m, x, n: x.split(n)[1:],
    "The last batch is missing, full or not: the loop ends too early, as range(0, N - batch_size, "
    "batch_size) does.": lambda m, x, n: x.split(n)[:-1],
    "Batches overlap: each is one image too long, images[i : i + batch_size]. A slice ends before "
    "its second number.": _steps(lambda n: n, lambda n: n + 1),
    "Between batches an image is missing: images[i : i + batch_size]; a slice ends before its "
    "second number already.": _steps(lambda n: n, lambda n: n - 1),
    "Batches overlap: the start moves by batch_size - 1. It moves by batch_size.": (
        _steps(lambda n: n - 1, lambda n: n)
    ),
    "Batches overlap: the start moves by 1. It moves by batch_size: range(0, N, batch_size).": (
        _steps(lambda n: 1, lambda n: n)
    ),
    "You used batch numbers as image numbers: images[i : i + batch_size] for i = 0, 1, 2, ... "
    "Batch i begins at i * batch_size.": (
        lambda m, x, n: [x[i : i + n] for i in range(-(-len(x) // n))]
    ),
    "You used batch numbers as image numbers, and the last batch is missing. Batch i begins at i * "
    "batch_size.": lambda m, x, n: [x[i : i + n] for i in range(len(x) // n)],
    "The first batch comes again and again. Take the batch of the loop.": (
        lambda m, x, n: [x[:n]] * len(x.split(n))
    ),
    "The images come in reverse order: row i is that of image i.": lambda m, x, n: x.flip(0).split(
        n
    ),
    "The batches come in reverse order: row i is that of image i.": lambda m, x, n: x.split(n)[
        ::-1
    ],
    "images[i] has lost the dimension of the batch: the model wants (B, 3, H, W). images[i : i + "
    "batch_size].": lambda m, x, n: list(x),
    "Every batch is taken twice.": lambda m, x, n: [b for b in x.split(n) for _ in range(2)],
    "Every batch-size-th image is taken: a slice with a step, images[::batch_size].": (
        lambda m, x, n: [x[::n]]
    ),
}
AFTER = {
    "You brought the features to length 1 already. That is k-NN's business; a linear probe wants "
    "them as they are.": lambda z: F.normalize(z, dim=1),
    "You standardised the features. That is the linear probe's business: it takes the mean of "
    "*training* features.": lambda z: (z - z.mean(0)) / z.std(0),
    "You took the mean of all images away. Leave the features as they come.": (
        lambda z: z - z.mean(0)
    ),
    "You normalised each feature over its own numbers (a layer norm). The model has done so; leave "
    "the features as they come.": lambda z: F.layer_norm(z, z.shape[1:]),
    "You took a softmax of the features. They are not scores of classes; leave them as they "
    "come.": lambda z: z.softmax(1),
}


def _mistakes() -> Table:
    table = {m: _features(piece) for m, piece in PIXELS.items()}
    table |= {m: _features(read=piece) for m, piece in READS.items()}
    table |= {m: _features(batches=piece) for m, piece in BATCHES.items()}
    table |= {m: _features(after=piece) for m, piece in AFTER.items()}
    return table | {
        "torch.stack wants batches of one size, and the last is smaller. torch.cat joins them, one "
        "below the other: (N, D).": _features(join=torch.stack),
        "These are the means of the batches. Every image has its own feature: torch.cat.": (
            _features(join=lambda parts: torch.stack([p.mean(0) for p in parts]))
        ),
        "The batches are joined side by side. torch.cat joins one below the other: dim=0.": (
            _features(join=lambda parts: torch.cat(parts, 1))
        ),
        f"The model was given bytes. {TRAINED_ON}": _features(lambda b: b),
    }


def _case(dim: int, heads: int, shape: tuple[int, int], n: int, batch_size: int) -> tuple:
    model = VisionTransformer(16, 8, embed_dim=dim, depth=2, num_heads=heads, drop_path_rate=0.5)
    # Fresh biases and LayerNorms are 0 and 1, which hides slips; and a fresh output is small.
    for p in model.parameters():
        p.data.add_(0.2 * torch.randn_like(p))
    model.pos_embed.requires_grad_(False)  # as in many a ViT; and so it stays
    return model, torch.randint(0, 256, (n, 3, *shape), dtype=torch.uint8), batch_size


@check("8.1", "frozen features")
def check_8_1(frozen_features):
    cases = [_case(24, 3, (16, 16), 10, 3), _case(20, 2, (24, 16), 11, 4)]
    cases.append((cases[0][0], cases[0][1][:8], 4))  # no batch is smaller here
    for case in cases:
        _expect_frozen(frozen_features, *case)
    mistakes = _mistakes()
    for model, *_ in cases:
        model.eval()
    try:
        want = _features()
        got = compare(frozen_features, cases, want, mistakes, "(N, D)", "The matrix of features")
    except Wrong as error:
        if str(error) not in mistakes:
            _expect_in_order(frozen_features, want, cases)
        raise
    expect(
        all(g.dtype == torch.float32 for g in got),
        f"The model's features are float32; yours are {str(got[0].dtype).removeprefix('torch.')}. "
        "Return them as the model gives them.",
    )
    for case in cases:
        _expect_batches(frozen_features, *case)
    for case in cases:
        _expect_left_alone(frozen_features, *case)
    model, images, _ = cases[0]
    few = call(frozen_features, model, images[:2], 5)
    expect(close(few, want(model, images[:2], 5)), "Two images in batches of 5 come out otherwise.")


def _watched(frozen_features, model, images, batch_size) -> tuple:
    """What it returns, and of every pass the modes of all modules and the number of images."""
    seen = []

    def note(block, inputs):
        own = block is model.blocks[0]  # a deepcopy of the model, which has this hook, is as good
        top, blocks = (model, model.blocks) if own else (block, block)
        seen.append((top.training, any(m.training for m in blocks.modules()), len(inputs[0])))

    watch = model.blocks[0].register_forward_pre_hook(note)
    try:
        return call(frozen_features, model, images, batch_size), seen
    finally:
        watch.remove()


def _expect_frozen(frozen_features, model, images, batch_size) -> None:
    """In eval mode, without a graph."""
    model.train()
    types = {p.dtype for p in model.parameters()}
    try:
        got, seen = _watched(frozen_features, model, images, batch_size)
    except Wrong:
        raise
    except Exception:  # compare() may know it
        return
    finally:
        expect(
            {p.dtype for p in model.parameters()} == types,
            "Your function changes the type of the model's parameters for good. The features are "
            "computed in the type it has.",
        )
    expect(
        not any(blocks and not top for top, blocks, _ in seen),
        "model.training = False switches the outermost module alone; the blocks inside, and their "
        "drop-path, are in train mode still. model.eval() reaches all.",
    )
    expect(
        not any(blocks or top for top, blocks, _ in seen),
        "The backbone ran in train mode: drop-path (or dropout, or batch statistics) makes its "
        "features random, another time you would get others. Call model.eval() first.",
    )
    expect(
        not (isinstance(got, Tensor) and got.requires_grad)
        and not (isinstance(got, list) and any(getattr(g, "requires_grad", False) for g in got)),
        "Your features carry a graph: a probe trained on them would send gradients into the "
        "backbone, and every batch's activations stay in memory. Use torch.no_grad().",
    )
    expect(
        not isinstance(got, list | tuple),
        "You returned the list of batches. torch.cat makes one matrix (N, D) of it.",
    )


def _expect_in_order(frozen_features, want, cases) -> None:
    for case in cases:
        got, right = call(frozen_features, *case), want(*case)
        if not isinstance(got, Tensor) or got.shape != right.shape:
            return
        if not close(got, right[torch.cdist(got.double(), right.double()).argmin(dim=1)]):
            return
    raise Wrong(
        "These are the right features in the wrong order: row i is that of image i. Do not shuffle."
    )


def _expect_batches(frozen_features, model, images, batch_size) -> None:
    _, seen = _watched(frozen_features, model, images, batch_size)
    sizes = [n for *_, n in seen]
    expect(
        sizes != [len(c) for c in images.chunk(batch_size)],
        f"You made batch_size batches: chunk({batch_size}) cuts {len(images)} images into "
        f"{batch_size} parts. batch_size says how many images go through at a time: "
        "images.split(batch_size).",
    )
    expect(
        len(images) not in sizes,
        "You put all images through the model at once, and batch_size is not used. A bank of "
        "50,000 images does not fit in memory: images.split(batch_size).",
    )
    expect(
        max(sizes, default=batch_size) == batch_size,
        f"Batches of {max(sizes, default=0)} go through the model where batch_size is "
        f"{batch_size}. images.split(batch_size).",
    )


def _expect_left_alone(frozen_features, model, images, batch_size) -> None:
    """The model afterwards: its modes, what is learned, and its numbers."""

    def state():
        return [p.requires_grad for p in model.parameters()]

    for p in model.parameters():
        p.requires_grad_(p is not model.pos_embed)
    model.train()
    before = state()
    call(frozen_features, model, images, batch_size)
    expect(
        model.training,
        "You left the model in eval mode. It was in train mode when you got it, and whoever goes "
        "on training it will miss drop-path: keep model.training, and restore it.",
    )
    expect(
        all(m.training for m in model.modules()),
        "model.training = True puts the outermost module back into train mode, and what is inside "
        "stays in eval mode. model.train(mode) reaches all.",
    )
    expect(
        sum(now := state()) >= sum(before),
        "You set requires_grad_(False) on the model's parameters for good; whoever goes on "
        "training it will train nothing. torch.no_grad() ends with its block.",
    )
    expect(
        now == before,
        "A parameter that was frozen when you got the model learns now: requires_grad_(True) "
        "reaches all. torch.no_grad() touches none.",
    )
    model.eval()
    call(frozen_features, model, images, batch_size)
    expect(
        not any(m.training for m in model.modules()),
        "The model came in eval mode and went out in train mode. Restore the mode it had.",
    )
