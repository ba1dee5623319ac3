"""What frozen features are worth: k-NN and a linear probe (DINO, section 4.1, appendix F)."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from minidino.pixels import normalize
from minidino.vit import FEW

EVALUATION_BYTES = 2**30  # what the tensors of the images under way may take together


def bytes_per_image(model: nn.Module, height: int, width: int) -> int:
    """What a backbone needs at most for one image while it is not trained.

    In an MLP these are there at a time, for each token: a block's input, its sum with attention,
    the norm of that, the hidden layer before and after its nonlinearity, and what earlier blocks
    gave, if it is wanted. Attention needs less: with many tokens its matrix is never written
    (vit.attend). An image in floats is there up to three times. Of a ResNet the first maps are
    the largest, 64 channels at half the sides, four at a time.
    """
    if not hasattr(model, "blocks"):
        return 4 * 64 * height * width
    tokens = 1 + (height // model.patch_size) * (width // model.patch_size)
    hidden = max(m.out_features for m in model.blocks[0].mlp.modules() if isinstance(m, nn.Linear))
    widths = (3 + model.depth) * model.embed_dim + 2 * hidden
    matrix = 2 * model.num_heads * tokens if tokens < FEW else 0  # scores, and their softmax
    return 4 * (tokens * (widths + matrix) + 3 * 3 * height * width)


def images_at_once(model: nn.Module, height: int, width: int) -> int:
    """How many images of that size a network that is not trained takes at a time.

    A GPU wants many. On a CPU the tensors of a few are small enough that the memory they free
    serves the next few; for larger ones the system clears new pages each time. Of large images
    fewer are taken, one at least, so that ``EVALUATION_BYTES`` are enough.
    """
    many = 32 if next(model.parameters()).device.type == "cpu" else 256
    if not hasattr(model, "patch_size"):  # a network of somebody else's
        return many
    return max(1, min(many, EVALUATION_BYTES // bytes_per_image(model, height, width)))


@torch.no_grad()
def extract_features(
    model: nn.Module,
    images_or_loader: Tensor | Iterable[Tensor],
    batch_size: int | None = None,
    n_last_blocks: int = 0,
    mean_patches: bool = False,
    progress: str = "",
    total: int | None = None,
) -> Tensor:
    """Features of every image, in order.

    Args:
        model: a VisionTransformer; it is put in eval mode for the duration.
        images_or_loader: uint8 (N, 3, H, W), or an iterable of such batches.
        batch_size: images at a time, at most; by default what suits device and memory.
        n_last_blocks: 0 for the model's output, the final [CLS]; otherwise the [CLS] tokens
            of so many last blocks, concatenated (the paper's linear probe of ViT-S: 4).
        mean_patches: append the mean patch token of the last block (the paper's ViT-B).
        progress: a title, if a progress bar is wanted.
        total: the images of an iterable, for the bar.

    Returns:
        float32 (N, D) on the CPU, D a multiple of the model's width.

    Raises:
        TypeError: if the images are not bytes.
    """
    device = next(model.parameters()).device
    batches = images_or_loader
    if isinstance(batches, Tensor):
        total = len(batches)
        batches = batches.split(batch_size or images_at_once(model, *batches.shape[-2:]))
    modes = {module: module.training for module in model.modules()}
    model.eval()
    features = []
    bar = tqdm(total=total, desc=progress, unit="image", disable=not progress, leave=False)
    try:
        for batch in batches:
            for images in batch.split(batch_size or images_at_once(model, *batch.shape[-2:])):
                bar.update(len(images))
                x = normalize(images.to(device))
                if not n_last_blocks and not mean_patches:
                    features.append(model(x).float().cpu())
                    continue
                layers = model.get_intermediate_layers(x, max(n_last_blocks, 1))
                parts = [tokens[:, 0] for tokens in layers]
                if mean_patches:
                    parts.append(layers[-1][:, 1:].mean(dim=1))
                features.append(torch.cat(parts, dim=-1).float().cpu())
    finally:
        bar.close()
        for module, training in modes.items():  # a teacher's batch norms differ from the rest
            module.training = training
    return torch.cat(features)


@torch.no_grad()
def knn_predict(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    k: int = 20,
    temperature: float = 0.07,
) -> Tensor:
    """Weighted k-NN: each neighbour votes for its label with weight exp(cosine / temperature).

    Args:
        train_features: (N, D), any length; they are L2-normalised here.
        train_labels: int64 (N,).
        test_features: (M, D).
        k: neighbours; the paper's choice is 20. At most N are used.
        temperature: how much more a closer neighbour counts.

    Returns:
        int64 (M,) predicted labels. Source: DINO, appendix F.1; Wu et al. 1805.01978.
    """
    return knn_votes(train_features, train_labels, test_features, k, temperature).argmax(dim=1)


@torch.no_grad()
def knn_votes(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    k: int = 20,
    temperature: float = 0.07,
) -> Tensor:
    """Each label's share of the neighbours' votes, (M, classes); arguments as ``knn_predict``."""
    bank = F.normalize(train_features.float(), dim=1)
    queries = F.normalize(test_features.float(), dim=1)
    n_classes = int(train_labels.max()) + 1
    shares = []
    for some in queries.split(1024):  # 1024 x N similarities at a time
        similarity, neighbour = (some @ bank.T).topk(min(k, len(bank)), dim=1)
        # The largest weight is made 1; dividing all votes by the same number changes none.
        weight = ((similarity - similarity[:, :1]) / temperature).exp()
        votes = weight.new_zeros(len(some), n_classes)
        votes.scatter_add_(1, train_labels.to(neighbour.device)[neighbour], weight)
        shares.append(votes / weight.sum(dim=1, keepdim=True))
    return torch.cat(shares)


def accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Percent of predictions that are right."""
    right = (predicted.cpu() == labels.cpu()).double().sum()
    return (100 * right / len(labels)).item()  # rounded once: 87 of 160 are 54.375


RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True)
class LinearClassifier:
    """Features (M, D) -> scores (M, classes), whose softmax is the confidence."""

    mean: Tensor  # (D,), as std
    std: Tensor
    weight: Tensor  # (D, classes)
    bias: Tensor  # (1, classes)

    def __call__(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.std @ self.weight + self.bias


def linear_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    epochs: int = 100,
    batch_size: int = 256,
    learning_rates: tuple[float, ...] = RATES,
    seed: int = 0,
) -> Tensor:
    """The labels that ``fit_linear`` gives to test features.

    Args:
        test_features: (M, D); they take no part in any choice. The others as ``fit_linear``.

    Returns:
        int64 (M,) predicted labels.
    """
    train = train_features, train_labels
    return fit_linear(*train, epochs, batch_size, learning_rates, seed)(test_features).argmax(dim=1)


def fit_linear(
    train_features: Tensor,
    train_labels: Tensor,
    epochs: int = 100,
    batch_size: int = 256,
    learning_rates: tuple[float, ...] = RATES,
    seed: int = 0,
) -> LinearClassifier:
    """A linear classifier on frozen features: SGD, momentum 0.9, no decay, cosine.

    The learning rate is the one that does best on a tenth of the *training* features, held
    out for that; the classifier is then trained anew on all of them. All rates are tried in one
    pass, as independent classifiers.

    Args:
        train_features: (N, D), on any device; train_labels: int64 (N,).
        learning_rates: candidates, for 256 images a step.

    Source: DINO, appendix F.2 (there with random crops of the images in training; here on
    features computed once).
    """
    generator = torch.Generator().manual_seed(seed)
    # Features of different models differ in scale; a common one lets the same rates serve.
    mean, std = train_features.mean(dim=0), train_features.std(dim=0).clamp(min=1e-6)
    x = (train_features - mean) / std
    train_labels, n_classes = train_labels.to(x.device), int(train_labels.max()) + 1
    order = torch.randperm(len(x), generator=generator)
    held_out, rest = order[: max(1, len(x) // 10)], order[max(1, len(x) // 10) :]

    def fit(index: Tensor, rates: tuple[float, ...]) -> tuple[Tensor, Tensor]:
        lr = torch.tensor(rates, device=x.device).view(-1, 1, 1) * batch_size / 256
        weight = x.new_zeros(len(rates), x.shape[1], n_classes, requires_grad=True)
        bias = x.new_zeros(len(rates), 1, n_classes, requires_grad=True)
        velocity = [torch.zeros_like(weight), torch.zeros_like(bias)]
        steps_per_epoch = -(-len(index) // batch_size)
        total, step = epochs * steps_per_epoch, 0
        for _ in range(epochs):
            shuffled = index[torch.randperm(len(index), generator=generator)]
            for batch in shuffled.split(batch_size):
                logits = x[batch] @ weight + bias  # (rates, batch, classes)
                target = train_labels[batch].expand(len(rates), -1)
                # Summed over rates: each classifier gets the gradient of its own mean loss.
                loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="sum")
                gradients = torch.autograd.grad(loss / len(batch), (weight, bias))
                decay = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / total)))
                with torch.no_grad():
                    for p, v, g in zip((weight, bias), velocity, gradients, strict=True):
                        v.mul_(0.9).add_(g)
                        p -= lr * decay * v
                step += 1
        return weight.detach(), bias.detach()

    if len(learning_rates) > 1 and len(rest):
        weight, bias = fit(rest, learning_rates)
        scores = (x[held_out] @ weight + bias).argmax(-1).eq(train_labels[held_out]).sum(1)
        learning_rates = (learning_rates[int(scores.argmax())],)
    weight, bias = fit(order, learning_rates)
    return LinearClassifier(mean, std, weight[0], bias[0])
