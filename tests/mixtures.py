"""Mixtures for the tests, and the same in other software's words."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import torch

from genlab.densities import Covariance, Mixtures
from genlab.densities.mixtures import precision_root
from genlab.models import GMM

__all__ = [
    "COVARIANCES",
    "make_gmm",
    "mixtures_of",
    "random_covariances",
    "sklearn_precisions",
]

# Those that are matrices as a whole; the one of low rank has tests of its own.
COVARIANCES: tuple[Covariance, ...] = tuple(c for c in get_args(Covariance) if c != "low_rank")


def make_gmm(dim: int, **options: Any) -> GMM:
    """A GMM of 3 Gaussians, in float64."""
    usual = {
        "components": 3,
        "max_components": 20,
        "covariance": "full",
        "rank": 2,
        "start": "kmeans++",
        "restarts": 1,
        "tolerance": 1e-6,
        "covariance_floor": 1e-6,
    }
    return GMM((dim,), **{**usual, **options}).double()


def random_covariances(
    covariance: Covariance, groups: int, components: int, dim: int
) -> torch.Tensor:
    """Covariances of a form, ``[G, K, D, D]``."""
    own = (groups, 1 if covariance == "tied" else components)
    if covariance == "spherical":
        variances = 0.3 + torch.rand(*own, 1).double()
        return (variances.expand(*own, dim)).diag_embed()
    if covariance == "diag":
        return (0.3 + torch.rand(*own, dim).double()).diag_embed()
    factor = torch.randn(*own, dim, dim + 2).double()
    matrix = factor @ factor.mT / dim + 0.1 * torch.eye(dim).double()
    return matrix.expand(groups, components, dim, dim)


def mixtures_of(
    weights: torch.Tensor, means: torch.Tensor, covariances: torch.Tensor, covariance: Covariance
) -> Mixtures:
    """Mixtures from the parameters that textbooks give."""
    roots = precision_root(covariances)
    if covariance in ("diag", "spherical"):
        roots = roots.diagonal(dim1=-2, dim2=-1)
    if covariance == "tied":
        roots = roots[:, :1]
    return Mixtures(weights.log(), means, roots)


def sklearn_precisions(covariances: torch.Tensor, covariance: Covariance) -> np.ndarray:
    """Precisions of one mixture, ``[K, D, D]``, in the shape that scikit-learn takes."""
    precisions = torch.linalg.inv(covariances).numpy()
    if covariance == "tied":
        return precisions[0]
    if covariance == "full":
        return precisions
    diagonal = np.diagonal(precisions, axis1=1, axis2=2)
    return diagonal if covariance == "diag" else diagonal[:, 0]
