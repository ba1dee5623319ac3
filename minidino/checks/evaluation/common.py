"""Cosines and neighbours, right ones and wrong ones, for the checks of notebook 08."""

from collections.abc import Callable

import torch
from torch import Tensor


def unit(x: Tensor, dim: int = 1) -> Tensor:
    return x.double() / x.double().norm(dim=dim, keepdim=True)


def product(queries: Tensor, bank: Tensor) -> Tensor:
    return queries.double() @ bank.double().T


def cosine(queries: Tensor, bank: Tensor) -> Tensor:
    return product(unit(queries), unit(bank))


def distance(queries: Tensor, bank: Tensor) -> Tensor:
    return torch.cdist(queries.double(), bank.double())


def top(near: Tensor, k: int) -> Tensor:
    """(M, k): of each row the columns of its k largest, the largest first."""
    return near.topk(min(k, near.shape[1]), dim=1).indices


NOT_UNIT = (
    "You did not bring the features to length 1: a dot product favours long features, whatever "
    "their direction. F.normalize both, dim=1."
)
NEAREST = (
    "Your neighbours are the nearest by Euclidean distance. Compare directions: cosines, which do "
    "not ask how long a feature is."
)
FARTHEST = (
    "Your neighbours are those with the largest *distances*, the farthest. topk takes the largest; "
    "for distances pass largest=False."
)
SMALLEST = (
    "You took the *smallest* cosines, or the largest distances: the farthest images. A cosine is a "
    "similarity, and the nearest has the largest."
)
# What is compared in the place of cosines, (M, D) and (N, D) -> (M, N); the largest are nearest.
NEARNESS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    SMALLEST: lambda a, b: -cosine(a, b),
    "Your neighbours are the nearest by the sum of absolute differences (p=1). Compare directions: "
    "cosines.": lambda a, b: -torch.cdist(a.double(), b.double(), p=1.0),
    "You took the absolute value (or the square) of the cosines: what points the opposite way is "
    "far, not near.": lambda a, b: cosine(a, b).abs(),
}

# Rows that come out otherwise where queries are normalised with the bank's numbers, or only one
# of the two is: the shared table UNIT has what goes wrong in both alike.
ONE_SIDED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "You brought the bank to length 1, but not the test features. Their length then acts as a "
    "temperature of its own: a query's weights become exp(|q| cos / T).": (
        lambda a, b: product(a, unit(b))
    ),
    "You brought the test features to length 1, but not the bank: its long features are "
    "everybody's neighbours.": lambda a, b: product(unit(a), b),
    "You centred the features on the bank's mean first. A cosine is between the features as they "
    "come.": lambda a, b: cosine(a - b.mean(0), b - b.mean(0)),
    "You centred bank and test features each on their own mean first. A cosine is between the "
    "features as they come.": lambda a, b: cosine(a - a.mean(0), b - b.mean(0)),
    "You standardised the features first, as a linear probe does. A cosine is between the features "
    "as they come.": lambda a, b: cosine((a - b.mean(0)) / b.std(0), (b - b.mean(0)) / b.std(0)),
}
