"""A pass of EM beside scikit-learn's: sixteen Gaussians with full covariances, in float64."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from benchmarks.cells import Cell
from benchmarks.ours import COMPONENTS
from benchmarks.work import Work
from genlab.batch import Batch
from genlab.models import GMM
from genlab.objectives import MixtureFit

__all__ = ["build"]


def points(n: int, dim: int) -> torch.Tensor:
    centres = 3 * torch.randn(COMPONENTS, dim, dtype=torch.float64)
    return centres[torch.randint(COMPONENTS, (n,))] + torch.randn(n, dim, dtype=torch.float64)


def build(cell: Cell, contestant: str) -> Work:
    threadpool_limits(torch.get_num_threads())
    x = points(cell.batch, cell.dim)
    return _sklearn(x) if contestant == "scikit-learn" else _genlab(x)


def _genlab(x: torch.Tensor) -> Work:
    model = GMM(x.shape[1], components=COMPONENTS, start="random", restarts=1, tolerance=0.0)
    model.double().initialise(x[:1000])
    fit = MixtureFit(model)

    def step() -> float:
        fit.observe(Batch(x))
        return fit.advance().item()

    return Work(step)


def _sklearn(x: torch.Tensor) -> Work:
    rows, means = x.numpy(), x[:COMPONENTS].numpy()
    precisions = np.broadcast_to(np.eye(x.shape[1]), (COMPONENTS, x.shape[1], x.shape[1]))
    weights = np.full(COMPONENTS, 1 / COMPONENTS)
    mixture = GaussianMixture(
        COMPONENTS,
        max_iter=1,
        means_init=means,
        weights_init=weights,
        precisions_init=precisions,
    )
    mixture.weights_, mixture.means_ = weights, means
    mixture.precisions_cholesky_ = precisions

    def step() -> None:
        _, log_responsibilities = mixture._e_step(rows)
        mixture._m_step(rows, log_responsibilities)

    return Work(step)
