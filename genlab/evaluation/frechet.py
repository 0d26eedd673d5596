"""How alike two clouds of features are: in their first two moments, and in where they lie."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["frechet_distance", "precision_and_recall"]


def frechet_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    """``|m - m'|^2 + tr(S + S' - 2 (S S')^{1/2})`` of the means and covariances of two clouds.

    The squared 2-Wasserstein distance of the Gaussians with these moments (Dowson, Landau, 1982);
    of features, Heusel et al., "GANs trained by a two time-scale update rule" (2017). The fewer the
    points, the larger it is: compare only clouds of the same sizes.

    Args:
        x: One cloud.
        y: Another one.
    """
    x, y = x.double(), y.double()
    shift = (x.mean(0) - y.mean(0)).square().sum()
    first, second = (torch.atleast_2d(torch.cov(part.T)) for part in (x, y))
    values, vectors = torch.linalg.eigh(first)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    # S S' has the eigenvalues of the symmetric S^{1/2} S' S^{1/2}.
    product = root @ second @ root
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    return float(shift + first.trace() + second.trace() - 2 * cross)


def precision_and_recall(
    truth: Float[Tensor, "n d"], samples: Float[Tensor, "m d"], *, k: int = 3
) -> tuple[float, float]:
    """Share of the samples that lie where the truth does, and of the truth where samples do.

    A cloud lies in the union of the balls about its points that reach to their k-th neighbours in
    it (Kynkaanniemi et al., "Improved precision and recall metric for assessing generative models",
    2019).

    Args:
        truth: True features.
        samples: Those of a model, best as many.
        k: Which neighbour a ball reaches to.
    """
    return _covered(samples, truth, k), _covered(truth, samples, k)


def _covered(points: Float[Tensor, "n d"], by: Float[Tensor, "m d"], k: int) -> float:
    # The nearest neighbour of a point in its own cloud is itself.
    radius = torch.cdist(by, by).kthvalue(k + 1, dim=1).values
    inside: Bool[Tensor, " n"] = (torch.cdist(points, by) <= radius).any(1)
    return inside.double().mean().item()
